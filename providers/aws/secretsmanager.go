package aws

import (
	"context"
	"iter"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/opaquevault/ov/sdk/provider"
)

// SecretsManager reads AWS Secrets Manager. It holds the calls it makes, not
// the client: what the linker does not see called is left out of the program.
type SecretsManager struct {
	list  func(context.Context, *secretsmanager.ListSecretsInput, ...func(*secretsmanager.Options)) (*secretsmanager.ListSecretsOutput, error)
	get   func(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
	batch func(context.Context, *secretsmanager.BatchGetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.BatchGetSecretValueOutput, error)
	// single: these credentials may not use the batch call.
	single atomic.Bool
}

// What ListSecrets and BatchGetSecretValue take.
const listSize, batchSize = 100, 20

// NewSecretsManager returns the provider.
func NewSecretsManager() *SecretsManager { return new(SecretsManager) }

// Info describes the provider.
func (*SecretsManager) Info() provider.Info {
	return provider.Info{Name: "aws", Version: "1", Description: "AWS Secrets Manager",
		Settings: settings(), Environment: environment(), Doors: doors()}
}

// Configure finds credentials.
func (s *SecretsManager) Configure(ctx context.Context, c provider.Config) (provider.Account, error) {
	cfg, account, err := open(ctx, c)
	if err != nil {
		return account, err
	}
	api := secretsmanager.NewFromConfig(cfg)
	s.list, s.get, s.batch = api.ListSecrets, api.GetSecretValue, api.BatchGetSecretValue
	account.Cost.List, account.Cost.Read = listSize, batchSize
	return account, nil
}

// List pages through the metadata. Secrets on their way to deletion are left out.
func (s *SecretsManager) List(ctx context.Context, q provider.Query) iter.Seq2[provider.Entry, error] {
	return func(yield func(provider.Entry, error) bool) {
		in := &secretsmanager.ListSecretsInput{MaxResults: awssdk.Int32(listSize), Filters: filters(q)}
		for {
			page, err := s.list(ctx, in)
			if err != nil {
				yield(provider.Entry{}, fault(err))
				return
			}
			for _, e := range page.SecretList {
				if e.DeletedDate == nil && below(awssdk.ToString(e.Name), q.Path) && tagged(labels(e.Tags), q.Tags) &&
					!yield(secretEntry(e), nil) {
					return
				}
			}
			if page.NextToken == nil {
				return
			}
			in.NextToken = page.NextToken
		}
	}
}

func filters(q provider.Query) []types.Filter {
	var f []types.Filter
	if q.Path != "" {
		f = append(f, types.Filter{Key: types.FilterNameStringTypeName, Values: []string{q.Path}})
	}
	for k := range q.Tags {
		f = append(f, types.Filter{Key: types.FilterNameStringTypeTagKey, Values: []string{k}})
	}
	return f
}

func secretEntry(e types.SecretListEntry) provider.Entry {
	dir, name := split(awssdk.ToString(e.Name))
	version := current(e.SecretVersionsToStages)
	return provider.Entry{
		Ref: awssdk.ToString(e.ARN), Name: name, Path: dir, Version: version, ChangeToken: version,
		Labels: labels(e.Tags), Owner: owner(e), Updated: awssdk.ToTime(e.LastChangedDate),
	}
}

func owner(e types.SecretListEntry) string {
	if o := awssdk.ToString(e.OwningService); o != "" {
		return o
	}
	if awssdk.ToBool(e.RotationEnabled) {
		return "rotation"
	}
	return ""
}

// current returns the id of the version staged AWSCURRENT: a new value is a new
// id, so it serves as the change token.
func current(versions map[string][]string) string {
	for id, stages := range versions {
		if slices.Contains(stages, "AWSCURRENT") {
			return id
		}
	}
	return ""
}

func labels(tags []types.Tag) map[string]string {
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[awssdk.ToString(t.Key)] = awssdk.ToString(t.Value)
	}
	return m
}

func tagged(have, want map[string]string) bool {
	for k, v := range want {
		if got, ok := have[k]; !ok || v != "" && got != v {
			return false
		}
	}
	return true
}

func split(full string) (dir, name string) {
	dir, name = path.Split(full)
	return strings.Trim(dir, "/"), name
}

// below reports whether a name lies in a folder; both may begin with a slash.
func below(name, dir string) bool {
	dir = strings.Trim(dir, "/")
	return dir == "" || strings.HasPrefix(strings.TrimPrefix(name, "/"), dir+"/")
}

// Fetch reads one value.
func (s *SecretsManager) Fetch(ctx context.Context, ref string) (provider.Item, error) {
	v, err := s.get(ctx, &secretsmanager.GetSecretValueInput{SecretId: &ref})
	if err != nil {
		return provider.Item{}, fault(err)
	}
	return item(v.SecretString, v.SecretBinary, v.VersionId), nil
}

func item(text *string, binary []byte, version *string) provider.Item {
	i := provider.Item{Value: binary, Binary: true, Version: awssdk.ToString(version), ChangeToken: awssdk.ToString(version)}
	if text != nil {
		i.Value, i.Binary = []byte(*text), false
	}
	return i
}

// FetchBatch reads twenty values a call. Where the credentials may read secrets
// but not in batches, it reads them one by one, here and from then on.
func (s *SecretsManager) FetchBatch(ctx context.Context, refs []string) iter.Seq[provider.Result] {
	return func(yield func(provider.Result) bool) {
		for some := range slices.Chunk(refs, batchSize) {
			if !s.chunk(ctx, some, yield) {
				return
			}
		}
	}
}

func (s *SecretsManager) chunk(ctx context.Context, refs []string, yield func(provider.Result) bool) bool {
	if s.single.Load() {
		return oneByOne(ctx, s, refs, yield)
	}
	open := make(map[string]bool, len(refs))
	for _, r := range refs {
		open[r] = true
	}
	in := &secretsmanager.BatchGetSecretValueInput{SecretIdList: refs}
	for {
		out, err := s.batch(ctx, in)
		if err != nil {
			return s.batchFailed(ctx, fault(err), open, yield)
		}
		for _, r := range results(out) {
			if open[r.Ref] {
				delete(open, r.Ref)
				if !yield(r) {
					return false
				}
			}
		}
		if out.NextToken == nil {
			break
		}
		in.NextToken = out.NextToken
	}
	return oneByOne(ctx, s, keys(open), yield) // what the answer left out
}

func results(out *secretsmanager.BatchGetSecretValueOutput) []provider.Result {
	var all []provider.Result
	for _, v := range out.SecretValues {
		all = append(all, provider.Result{Ref: awssdk.ToString(v.ARN), Item: item(v.SecretString, v.SecretBinary, v.VersionId)})
	}
	for _, e := range out.Errors {
		name := awssdk.ToString(e.ErrorCode)
		all = append(all, provider.Result{Ref: awssdk.ToString(e.SecretId),
			Err: provider.Errorf(codeOf(name, 400), "%s: %s", name, awssdk.ToString(e.Message))})
	}
	return all
}

func (s *SecretsManager) batchFailed(ctx context.Context, err error, open map[string]bool, yield func(provider.Result) bool) bool {
	if c := provider.CodeOf(err); c == provider.Denied || c == provider.NotFound || c == provider.Invalid {
		s.single.Store(c == provider.Denied)
		return oneByOne(ctx, s, keys(open), yield)
	}
	for _, r := range keys(open) {
		if !yield(provider.Result{Ref: r, Err: err}) {
			return false
		}
	}
	return true
}

func keys(m map[string]bool) []string {
	k := make([]string, 0, len(m))
	for r := range m {
		k = append(k, r)
	}
	slices.Sort(k)
	return k
}
