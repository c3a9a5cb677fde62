package encode

import "strings"

// phrases are passphrases that everybody knows: from comics, books, songs and the
// examples of manuals. They are written without what stands between the words.
var phrases = strings.Fields(`
correcthorsebatterystaple horsebatterystaple correcthorse batterystaple thequickbrownfoxjumpsoverthelazydog thequickbrownfox
jumpsoverthelazydog tobeornottobe thatisthequestion maytheforcebewithyou opensesame letmein letmeinplease iloveyou iamyourfather
hellothere helloworld loremipsum dolorsitamet onceuponatime itwasthebestoftimes callmeishmael winteriscoming oneringtorulethemall
elementarymydearwatson ihavenospecialtalents thecakeisalie allyourbasearebelongtous nevergonnagiveyouup
twinkletwinklelittlestar maryhadalittlelamb rowrowrowyourboat happybirthdaytoyou godsavethequeen godsavetheking
ourfatherwhoartinheaven inthebeginningwastheword praisethelord jesuslovesme livelongandprosper beammeupscotty
houstonwehaveaproblem thereisnospoon followthewhiterabbit thisisnotapassword thisismypassword mypassword mysecretpassword
changemeplease pleasechangeme changethispassword supersecretpassword supersecret topsecret notasecret passwordpassword
abandonabandonabandonabandonabandonabandonabandonabandonabandonabandonabandonabout`)

// phrase returns the length of the phrase at the start of p, whatever its case,
// and whatever single signs stand between its letters; 0 if there is none.
func phrase(p []byte) (longest int) {
	for _, known := range phrases {
		n, k := 0, 0
		for n < len(p) && k < len(known) {
			if u := unleet(p[n]); u == toLower(known[k]) {
				n, k = n+1, k+1
			} else if n > 0 && !alphanumeric(p[n]) && alphanumeric(p[n-1]) {
				n++
			} else {
				break
			}
		}
		if k == len(known) {
			longest = max(longest, n)
		}
	}
	return longest
}
