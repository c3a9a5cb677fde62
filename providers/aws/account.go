// Package aws reads AWS Secrets Manager and the SSM Parameter Store, each a
// provider of its own that shares the way in: the SDK's default chain
// (environment, shared files, SSO, container and instance roles), a named
// profile, and a role to assume on top.
package aws

import (
	"context"
	"errors"
	"net/http"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/opaquevault/ov/sdk/provider"
)

func settings() []provider.Setting {
	return []provider.Setting{
		{Name: "profile", Description: "profile of the shared configuration; AWS_PROFILE when not set"},
		{Name: "region", Description: "region; AWS_REGION or the profile's when not set"},
		{Name: "role", Description: "ARN of a role to assume"},
		{Name: "endpoint", Description: "address of a compatible service"},
	}
}

func environment() []string {
	return []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
		"AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_EC2_METADATA_DISABLED",
		"AWS_CA_BUNDLE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_SSM", "AWS_ENDPOINT_URL_STS",
		"AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"}
}

func doors() []string {
	return []string{"environment", "profile and SSO of the shared files", "web identity", "container and instance role", "role assumed on top"}
}

// open finds credentials and a region, and asks STS whose they are.
func open(ctx context.Context, c provider.Config) (awssdk.Config, provider.Account, error) {
	s := c.Settings
	options := []func(*config.LoadOptions) error{
		config.WithRetryer(func() awssdk.Retryer { return awssdk.NopRetryer{} }), // serve retries
	}
	if s["profile"] != "" {
		options = append(options, config.WithSharedConfigProfile(s["profile"]))
	}
	if s["region"] != "" {
		options = append(options, config.WithRegion(s["region"]))
	}
	if s["endpoint"] != "" {
		options = append(options, config.WithBaseEndpoint(s["endpoint"]))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return cfg, provider.Account{}, provider.Errorf(provider.Invalid, "read AWS configuration: %v", err)
	}
	if cfg.Region == "" {
		return cfg, provider.Account{}, provider.Errorf(provider.Invalid, "no region: give region=..., or set AWS_REGION or the profile's region")
	}
	if s["role"] != "" {
		cfg.Credentials = awssdk.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), s["role"]))
	}
	creds, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return cfg, provider.Account{}, noCredentials(ctx, err)
	}
	calls := 1
	if s["role"] != "" {
		calls++ // it was taken on
	}
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		return cfg, provider.Account{}, fault(err)
	}
	return cfg, provider.Account{
		Name:  "account " + awssdk.ToString(who.Account) + ", " + cfg.Region,
		Door:  creds.Source,
		Notes: []string{"signed in as " + awssdk.ToString(who.Arn)}, // not in the name: a role's changes with each session
		Cost:  provider.Cost{SignIn: calls},
	}, nil
}

func noCredentials(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return provider.Errorf(provider.Unknown, "cancelled")
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return fault(err)
	}
	return provider.Errorf(provider.Unauthenticated, "no credentials found; tried %s", strings.Join(doors(), ", "))
}

// codeOf maps the names that AWS gives its errors.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html
func codeOf(name string, status int) provider.Code {
	switch name {
	case "ResourceNotFoundException", "ParameterNotFound", "ParameterVersionNotFound":
		return provider.NotFound
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "DecryptionFailure", "OptInRequired":
		return provider.Denied
	case "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId", "SignatureDoesNotMatch",
		"InvalidSignatureException", "IncompleteSignature", "MissingAuthenticationToken", "RequestExpired", "AuthFailure":
		return provider.Unauthenticated
	case "Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded", "RequestThrottled":
		return provider.Throttled
	case "InternalServiceError", "InternalServerError", "InternalFailure", "ServiceUnavailable":
		return provider.Unavailable
	}
	switch {
	case status == http.StatusTooManyRequests:
		return provider.Throttled
	case status >= 500:
		return provider.Unavailable
	case status >= 400:
		return provider.Invalid
	}
	return provider.Unknown
}

// fault turns an SDK error into one of ours. Only the service's own name and
// message travel.
func fault(err error) error {
	var api smithy.APIError
	var res *awshttp.ResponseError
	status := 0
	if errors.As(err, &res) {
		status = res.HTTPStatusCode()
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return provider.Errorf(provider.Unknown, "cancelled")
	case errors.As(err, &api):
		return provider.Errorf(codeOf(api.ErrorCode(), status), "%s: %s", api.ErrorCode(), api.ErrorMessage())
	case status != 0:
		return provider.Errorf(codeOf("", status), "HTTP %d", status)
	}
	return provider.Errorf(provider.Unavailable, "the service cannot be reached")
}
