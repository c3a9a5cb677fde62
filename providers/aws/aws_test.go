package aws

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"github.com/opaquevault/ov/sdk/provider"
)

func apiError(code string) error { return &smithy.GenericAPIError{Code: code, Message: "says AWS"} }

// stub is a Secrets Manager of which moto cannot play the part: denials, limits.
func stub(denyBatch bool, denied string) (*SecretsManager, *calls) {
	c := new(calls)
	s := NewSecretsManager()
	s.get = func(_ context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
		c.add(1, 0)
		if *in.SecretId == denied {
			return nil, apiError("AccessDeniedException")
		}
		return &secretsmanager.GetSecretValueOutput{ARN: in.SecretId, SecretString: awssdk.String("v:" + *in.SecretId)}, nil
	}
	s.batch = func(_ context.Context, in *secretsmanager.BatchGetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.BatchGetSecretValueOutput, error) {
		c.add(0, 1)
		if denyBatch {
			return nil, apiError("AccessDeniedException")
		}
		if len(in.SecretIdList) > 20 {
			return nil, apiError("ValidationException")
		}
		out := &secretsmanager.BatchGetSecretValueOutput{}
		for _, id := range in.SecretIdList {
			if id == denied {
				out.Errors = append(out.Errors, smtypes.APIErrorType{SecretId: &id, ErrorCode: awssdk.String("AccessDeniedException"), Message: awssdk.String("no")})
				continue
			}
			out.SecretValues = append(out.SecretValues, smtypes.SecretValueEntry{ARN: &id, SecretString: awssdk.String("v:" + id)})
		}
		return out, nil
	}
	return s, c
}

type calls struct {
	mu          sync.Mutex
	gets, batch int
}

func (c *calls) add(gets, batch int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gets += gets
	c.batch += batch
}

func refs(n int) []string {
	r := make([]string, n)
	for i := range r {
		r[i] = "arn:" + strings.Repeat("x", i)
	}
	return r
}

func collect(b provider.BatchFetcher, refs []string) map[string]provider.Result {
	got := map[string]provider.Result{}
	for r := range b.FetchBatch(context.Background(), refs) {
		got[r.Ref] = r
	}
	return got
}

func TestBatches(t *testing.T) {
	for _, test := range []struct {
		name               string
		denyBatch          bool
		denied             string
		gets, batch, fails int
	}{
		{"twenty a call", false, "", 0, 3, 0},
		{"one denied of many", false, "arn:xxx", 0, 3, 1},
		{"batch not allowed", true, "", 45, 1, 0},
		{"batch not allowed and one denied", true, "arn:xxx", 45, 1, 1},
	} {
		s, c := stub(test.denyBatch, test.denied)
		got := collect(s, refs(45))
		fails := 0
		for ref, r := range got {
			switch {
			case r.Err != nil && (ref != test.denied || provider.CodeOf(r.Err) != provider.Denied):
				t.Errorf("%s: %s: %v", test.name, ref, r.Err)
			case r.Err != nil:
				fails++
			case string(r.Item.Value) != "v:"+ref:
				t.Errorf("%s: %s has the value of another", test.name, ref)
			}
		}
		if len(got) != 45 || c.gets != test.gets || c.batch != test.batch || fails != test.fails {
			t.Errorf("%s: %d results, %d gets, %d batches, %d failures; want 45, %d, %d, %d", test.name, len(got), c.gets, c.batch, fails, test.gets, test.batch, test.fails)
		}
	}
}

// TestStopEarly: a caller that stops leaves no call waiting.
func TestStopEarly(t *testing.T) {
	s, _ := stub(true, "")
	for range s.FetchBatch(t.Context(), refs(45)) {
		break
	}
}

func TestThrottledBatch(t *testing.T) {
	s, _ := stub(false, "")
	s.batch = func(context.Context, *secretsmanager.BatchGetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.BatchGetSecretValueOutput, error) {
		return nil, apiError("ThrottlingException")
	}
	for ref, r := range collect(s, refs(3)) {
		if provider.CodeOf(r.Err) != provider.Throttled {
			t.Errorf("%s: %v", ref, r.Err)
		}
	}
}

// TestEmptyPage: Parameter Store may answer an empty page with a next token.
func TestEmptyPage(t *testing.T) {
	pages := []*ssm.DescribeParametersOutput{
		{NextToken: awssdk.String("a")},
		{NextToken: awssdk.String("b"), Parameters: []ssmtypes.ParameterMetadata{{Name: awssdk.String("/app/ONE")}}},
		{NextToken: awssdk.String("c")},
		{Parameters: []ssmtypes.ParameterMetadata{{Name: awssdk.String("TWO")}}},
	}
	s := &ParameterStore{describe: func(context.Context, *ssm.DescribeParametersInput, ...func(*ssm.Options)) (*ssm.DescribeParametersOutput, error) {
		p := pages[0]
		pages = pages[1:]
		return p, nil
	}}
	var names []string
	for e, err := range s.List(t.Context(), provider.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, e.Path+"/"+e.Name)
	}
	if !slices.Equal(names, []string{"app/ONE", "/TWO"}) {
		t.Errorf("listed %v", names)
	}
}

// TestParameterDenied: one denied parameter fails a call of ten; the other nine
// are read all the same.
func TestParameterDenied(t *testing.T) {
	s := &ParameterStore{get: func(_ context.Context, in *ssm.GetParametersInput, _ ...func(*ssm.Options)) (*ssm.GetParametersOutput, error) {
		if slices.Contains(in.Names, "arn:xxx") {
			return nil, apiError("AccessDeniedException")
		}
		out := &ssm.GetParametersOutput{}
		for _, n := range in.Names {
			out.Parameters = append(out.Parameters, ssmtypes.Parameter{Name: &n, Value: awssdk.String("v:" + n)})
		}
		return out, nil
	}}
	got := collect(s, refs(12))
	for ref, r := range got {
		if (r.Err != nil) != (ref == "arn:xxx") {
			t.Errorf("%s: %v", ref, r.Err)
		}
	}
	if len(got) != 12 {
		t.Errorf("%d results, want 12", len(got))
	}
}

func TestFaults(t *testing.T) {
	for name, want := range map[string]provider.Code{
		"ResourceNotFoundException": provider.NotFound, "AccessDeniedException": provider.Denied, "ExpiredTokenException": provider.Unauthenticated,
		"ThrottlingException": provider.Throttled, "InternalServiceError": provider.Unavailable, "DecryptionFailure": provider.Denied,
	} {
		if got := provider.CodeOf(fault(apiError(name))); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if got := provider.CodeOf(fault(errors.New("dial tcp: refused"))); got != provider.Unavailable {
		t.Errorf("network: %v", got)
	}
}

// TestBadStart: no region, and no credentials.
func TestBadStart(t *testing.T) {
	for _, k := range environment() {
		if v, ok := os.LookupEnv(k); ok {
			t.Setenv(k, v)
			os.Unsetenv(k)
		}
	}
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	_, err := NewSecretsManager().Configure(t.Context(), provider.Config{Settings: map[string]string{}})
	if provider.CodeOf(err) != provider.Invalid || !strings.Contains(err.Error(), "region") {
		t.Errorf("no region: %v", err)
	}
	_, err = NewSecretsManager().Configure(t.Context(), provider.Config{Settings: map[string]string{"region": "eu-central-1"}})
	if provider.CodeOf(err) != provider.Unauthenticated || !strings.Contains(err.Error(), "web identity") {
		t.Errorf("no credentials: %v, want the doors that were tried", err)
	}
	_, err = NewSecretsManager().Configure(t.Context(), provider.Config{Settings: map[string]string{"profile": "nonesuch", "region": "x"}})
	if err == nil || !strings.Contains(err.Error(), "nonesuch") {
		t.Errorf("unknown profile: %v", err)
	}
}

// TestCostIsTrue: what a plan says of the calls is how many there are.
func TestCostIsTrue(t *testing.T) {
	for _, n := range []int{0, 1, 20, 21, 100, 1000} {
		s, c := stub(false, "")
		pages := 0
		s.list = func(_ context.Context, in *secretsmanager.ListSecretsInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.ListSecretsOutput, error) {
			out := &secretsmanager.ListSecretsOutput{}
			for i := pages * int(*in.MaxResults); i < n && len(out.SecretList) < int(*in.MaxResults); i++ {
				out.SecretList = append(out.SecretList, smtypes.SecretListEntry{Name: awssdk.String("n")})
			}
			if pages++; pages*int(*in.MaxResults) < n {
				out.NextToken = awssdk.String("more")
			}
			return out, nil
		}
		seen := 0
		for _, err := range s.List(t.Context(), provider.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			seen++
		}
		for r := range s.FetchBatch(t.Context(), refs(n)) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		_, list, read := provider.Cost{List: listSize, Read: batchSize}.Calls(seen, n)
		if seen != n || pages != list || c.batch != read || c.gets != 0 {
			t.Errorf("%d secrets: %d listed in %d calls, read in %d and %d; said %d and %d", n, seen, pages, c.batch, c.gets, list, read)
		}
	}
}
