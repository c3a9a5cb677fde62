package builtin

import (
	"testing"

	"github.com/opaquevault/ov/scanners/scantest"
)

func TestAccept(t *testing.T) {
	const token = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
	scantest.Accept(t, All()[0],
		scantest.Example{Rule: "github-pat", Text: "x=" + token + "\n", Secret: token, Clean: "xghp_16C7 and ghp_ alone"},
		scantest.Example{Rule: "url-password", Text: "postgres://app:t0rn-Beetle_9@db/x", Secret: "t0rn-Beetle_9", Clean: "https://example.com:8080/a@2x.png"},
		scantest.Example{Rule: "private-key", Text: "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIIodwVMBf+ywXwqBtCdrR4yOv75kp4WLq4CsBXqKd5CS\n-----END PRIVATE KEY-----\nafter\n",
			Secret: "MC4CAQAwBQYDK2VwBCIEIIodwVMBf+ywXwqBtCdrR4yOv75kp4WLq4CsBXqKd5CS", Clean: "-----BEGIN CERTIFICATE-----\nMIIH0zCCBbugAwIBAgIIXsO3pkN/pOAwDQYJKoZIhvcNAQEFBQAwQjESMBAGA1UE\n"},
		scantest.Example{Rule: "password", Text: "password: t0rn-Beetle_9\n", Secret: "t0rn-Beetle_9", Clean: "password: required\n"},
	)
}
