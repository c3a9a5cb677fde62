package aws

import (
	"context"
	"iter"
	"slices"
	"strconv"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/opaquevault/ov/sdk/provider"
)

// ParameterStore reads the SSM Parameter Store.
type ParameterStore struct {
	describe func(context.Context, *ssm.DescribeParametersInput, ...func(*ssm.Options)) (*ssm.DescribeParametersOutput, error)
	get      func(context.Context, *ssm.GetParametersInput, ...func(*ssm.Options)) (*ssm.GetParametersOutput, error)
}

// What DescribeParameters and GetParameters take.
const parameterPage, parameterBatch = 50, 10

// NewParameterStore returns the provider.
func NewParameterStore() *ParameterStore { return new(ParameterStore) }

// Info describes the provider.
func (*ParameterStore) Info() provider.Info {
	return provider.Info{Name: "aws-ssm", Version: "1", Description: "AWS SSM Parameter Store",
		Settings: settings(), Environment: environment(), Doors: doors()}
}

// Configure finds credentials.
func (s *ParameterStore) Configure(ctx context.Context, c provider.Config) (provider.Account, error) {
	cfg, account, err := open(ctx, c)
	if err != nil {
		return account, err
	}
	api := ssm.NewFromConfig(cfg)
	s.describe, s.get = api.DescribeParameters, api.GetParameters
	account.Notes = append(account.Notes, "40 calls a second by default")
	account.Cost.List, account.Cost.Read = parameterPage, parameterBatch
	return account, nil
}

// List describes the parameters, which reads no value. Pages may be short or
// empty and have a next one all the same.
func (s *ParameterStore) List(ctx context.Context, q provider.Query) iter.Seq2[provider.Entry, error] {
	return func(yield func(provider.Entry, error) bool) {
		in := &ssm.DescribeParametersInput{MaxResults: awssdk.Int32(parameterPage), ParameterFilters: parameterFilters(q)}
		for {
			page, err := s.describe(ctx, in)
			if err != nil {
				yield(provider.Entry{}, fault(err))
				return
			}
			for _, p := range page.Parameters {
				if below(awssdk.ToString(p.Name), q.Path) && !yield(parameterEntry(p), nil) {
					return
				}
			}
			if awssdk.ToString(page.NextToken) == "" {
				return
			}
			in.NextToken = page.NextToken
		}
	}
}

func parameterFilters(q provider.Query) []types.ParameterStringFilter {
	var f []types.ParameterStringFilter
	if q.Path != "" {
		f = append(f, types.ParameterStringFilter{Key: awssdk.String("Path"), Option: awssdk.String("Recursive"), Values: []string{"/" + trim(q.Path)}})
	}
	for k, v := range q.Tags {
		one := types.ParameterStringFilter{Key: awssdk.String("tag:" + k)}
		if v != "" {
			one.Values = []string{v}
		}
		f = append(f, one)
	}
	return f
}

func trim(p string) string {
	for len(p) > 0 && p[0] == '/' {
		p = p[1:]
	}
	for len(p) > 0 && p[len(p)-1] == '/' {
		p = p[:len(p)-1]
	}
	return p
}

func parameterEntry(p types.ParameterMetadata) provider.Entry {
	dir, name := split(awssdk.ToString(p.Name))
	version := strconv.FormatInt(p.Version, 10)
	return provider.Entry{
		Ref: awssdk.ToString(p.Name), Name: name, Path: dir, Version: version,
		// A parameter that was deleted and made again starts at version 1: the
		// date tells the two apart.
		ChangeToken: version + "@" + strconv.FormatInt(awssdk.ToTime(p.LastModifiedDate).UnixMilli(), 10),
		Labels:      map[string]string{"type": string(p.Type)}, Updated: awssdk.ToTime(p.LastModifiedDate),
	}
}

// Fetch reads one value.
func (s *ParameterStore) Fetch(ctx context.Context, ref string) (provider.Item, error) {
	for r := range s.FetchBatch(ctx, []string{ref}) {
		return r.Item, r.Err
	}
	return provider.Item{}, provider.Errorf(provider.NotFound, "parameter %q", ref)
}

// FetchBatch reads ten values a call. One that may not be read fails the whole
// call, so such a call is repeated one by one.
func (s *ParameterStore) FetchBatch(ctx context.Context, refs []string) iter.Seq[provider.Result] {
	return func(yield func(provider.Result) bool) {
		for some := range slices.Chunk(refs, parameterBatch) {
			out, err := s.get(ctx, &ssm.GetParametersInput{Names: some, WithDecryption: awssdk.Bool(true)})
			switch {
			case err != nil && len(some) > 1 && provider.CodeOf(fault(err)) == provider.Denied:
				if !oneByOne(ctx, s, some, yield) {
					return
				}
			case err != nil:
				for _, ref := range some {
					if !yield(provider.Result{Ref: ref, Err: fault(err)}) {
						return
					}
				}
			default:
				for _, r := range parameters(out) {
					if !yield(r) {
						return
					}
				}
			}
		}
	}
}

func parameters(out *ssm.GetParametersOutput) []provider.Result {
	var all []provider.Result
	for _, p := range out.Parameters {
		version := strconv.FormatInt(p.Version, 10)
		all = append(all, provider.Result{Ref: awssdk.ToString(p.Name), Item: provider.Item{
			Value: []byte(awssdk.ToString(p.Value)), Version: version,
			ChangeToken: version + "@" + strconv.FormatInt(awssdk.ToTime(p.LastModifiedDate).UnixMilli(), 10),
		}})
	}
	for _, name := range out.InvalidParameters {
		all = append(all, provider.Result{Ref: name, Err: provider.Errorf(provider.NotFound, "parameter %q", name)})
	}
	return all
}
