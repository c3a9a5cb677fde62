// Package wire is ov.provider.v1 on the wire: the generated gRPC code and the
// conversions between it and the types of sdk/provider. `make proto`
// regenerates it; host and plugin both link it.
package wire

import (
	"time"

	"github.com/opaquevault/ov/sdk/provider"
)

// What host and plugin must agree on before gRPC begins. The cookie is no
// secret: it keeps a plugin from being started by hand.
const (
	Version     = 1
	CookieKey   = "OPAQUEVAULT_PROVIDER"
	CookieValue = "ov.provider.v1"
	PluginName  = "provider"
	// MaxMessage is the largest message either side accepts, in bytes: the
	// largest value and its envelope.
	MaxMessage = provider.MaxValue + 64<<10
)

// FromInfo and the functions below it translate one type each.
func FromInfo(i provider.Info) *DescribeResponse {
	d := &DescribeResponse{
		Name: i.Name, Version: i.Version, Description: i.Description,
		Environment: i.Environment, Doors: i.Doors,
	}
	for _, s := range i.Settings {
		d.Settings = append(d.Settings, &Setting{
			Name: s.Name, Description: s.Description, Required: s.Required, DefaultValue: s.Default,
		})
	}
	return d
}

// ToInfo is the opposite of FromInfo.
func ToInfo(d *DescribeResponse) provider.Info {
	i := provider.Info{
		Name: d.GetName(), Version: d.GetVersion(), Description: d.GetDescription(),
		Environment: d.GetEnvironment(), Doors: d.GetDoors(),
	}
	for _, s := range d.GetSettings() {
		i.Settings = append(i.Settings, provider.Setting{
			Name: s.GetName(), Description: s.GetDescription(), Required: s.GetRequired(), Default: s.GetDefaultValue(),
		})
	}
	return i
}

// FromEntry puts an entry on the wire.
func FromEntry(e provider.Entry) *ListResponse {
	r := &ListResponse{
		Ref: e.Ref, Name: e.Name, Path: e.Path, Version: e.Version,
		ChangeToken: e.ChangeToken, Labels: e.Labels, OwningService: e.Owner,
	}
	if !e.Updated.IsZero() {
		r.UpdatedUnix = e.Updated.Unix()
	}
	return r
}

// ToEntry is the opposite of FromEntry.
func ToEntry(r *ListResponse) provider.Entry {
	e := provider.Entry{
		Ref: r.GetRef(), Name: r.GetName(), Path: r.GetPath(), Version: r.GetVersion(),
		ChangeToken: r.GetChangeToken(), Labels: r.GetLabels(), Owner: r.GetOwningService(),
	}
	if u := r.GetUpdatedUnix(); u != 0 {
		e.Updated = time.Unix(u, 0).UTC()
	}
	return e
}

// FromResult puts one result of a fetch on the wire.
func FromResult(r provider.Result) *FetchResponse {
	if r.Err != nil {
		return &FetchResponse{Ref: r.Ref, Result: &FetchResponse_Error{Error: FromError(r.Err)}}
	}
	return &FetchResponse{Ref: r.Ref, Result: &FetchResponse_Item{Item: &Item{
		Value: r.Item.Value, Binary: r.Item.Binary, Version: r.Item.Version, ChangeToken: r.Item.ChangeToken,
	}}}
}

// ToResult is the opposite of FromResult. An answer with neither an item nor
// an error is an error.
func ToResult(f *FetchResponse) provider.Result {
	r := provider.Result{Ref: f.GetRef()}
	switch {
	case f.GetItem() != nil:
		i := f.GetItem()
		r.Item = provider.Item{Value: i.GetValue(), Binary: i.GetBinary(), Version: i.GetVersion(), ChangeToken: i.GetChangeToken()}
	case f.GetError() != nil:
		r.Err = ToError(f.GetError())
	default:
		r.Err = provider.Errorf(provider.Invalid, "answer without item or error")
	}
	return r
}

// FromError puts an error on the wire. Only the text of a *provider.Error
// travels: any other error may quote what it was reading.
func FromError(err error) *Error {
	e, ok := asError(err)
	if !ok {
		return &Error{Message: "unexpected error (its text is kept back)"}
	}
	return &Error{Code: Code(e.Code), Message: e.Message, RetryAfterMillis: e.RetryAfter.Milliseconds()}
}

// ToError is the opposite of FromError.
func ToError(e *Error) *provider.Error {
	return &provider.Error{
		Code: provider.Code(e.GetCode()), Message: e.GetMessage(),
		RetryAfter: time.Duration(max(0, e.GetRetryAfterMillis())) * time.Millisecond,
	}
}
