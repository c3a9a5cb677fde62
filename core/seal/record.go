package seal

import (
	"encoding/binary"
	"slices"

	"github.com/opaquevault/ov/core/lp"
	"github.com/opaquevault/ov/core/secret"
)

// Flags of a record.
const (
	FlagDeleted uint8 = 1 << iota // a tombstone; visible to the store
	FlagPlain                     // configuration, not secret; sealed
	FlagWeak                      // guessable; sealed
)

// visible are the flags that stand in a record's open header.
const visible = FlagDeleted

// A Meta is what is sealed beside a value.
type Meta struct {
	Ref     secret.Ref
	Created uint64 // first version, Unix milliseconds
	Time    uint64 // this version, Unix milliseconds
	Flags   uint8
	Size    uint32 // of the value
	Device  DeviceID
	Tags    []string
	From    string // the reference it was renamed from
	Origin  string // where it was imported from; for whoever imports
}

// A Record is the parsed stored form of one version. Its open fields are also
// inside the sealed metadata, and are believed only when both agree.
type Record struct {
	Flags   uint8
	Env     EnvID
	Epoch   uint32
	Created uint64
	Time    uint64

	name, dek, meta, value []byte
}

// SealRecord seals one version of a secret under a data key of its own:
//
//	format[1] flags[1] env[16] epoch[4] created[8] time[8]
//	LP(box of the name) LP(box of the data key) LP(sealed meta) LP(sealed value)
//
// The name is sealed a second time under the environment key, so that a vault
// can be listed, and an access be audited by name, before any data key is
// unwrapped.
func SealRecord(k *EnvKey, p Place, m Meta, value []byte) []byte {
	m.Size = uint32(len(value))
	dek := NewKey(KeySize)
	defer clear(dek)
	padded := pad(value, padValue)
	defer clear(padded)
	metaKey, valueKey := dekKeys(dek)
	defer clear(metaKey)
	defer clear(valueKey)

	out := append([]byte{format, m.Flags & visible}, k.Env[:]...)
	out = binary.BigEndian.AppendUint32(out, k.Epoch)
	out = binary.BigEndian.AppendUint64(out, m.Created)
	out = binary.BigEndian.AppendUint64(out, m.Time)
	out = lp.Append(out, SealBox(k.Key, p, FieldName, pad([]byte(m.Ref.Name), padName)))
	out = lp.Append(out, SealBox(k.Key, p, FieldDEK, dek))
	out = lp.Append(out, gcm(metaKey).Seal(nil, nil, pad(m.marshal(), padMeta), p.aad(cipherSuite, FieldMeta)))
	return lp.Append(out, gcm(valueKey).Seal(nil, nil, padded, p.aad(cipherSuite, FieldValue)))
}

// ParseRecord reads the stored form. Nothing in it is authenticated yet.
func ParseRecord(data []byte) (*Record, error) {
	r := lp.NewReader(data)
	if v := r.U8(); !r.Bad() && v != format {
		return nil, ErrVersion
	}
	rec := &Record{Flags: r.U8()}
	copy(rec.Env[:], r.Take(len(rec.Env)))
	rec.Epoch, rec.Created, rec.Time = r.U32(), r.U64(), r.U64()
	rec.name, rec.dek, rec.meta, rec.value = r.Field(), r.Field(), r.Field(), r.Field()
	if !r.Done() {
		return nil, ErrOpen
	}
	return rec, nil
}

// Name opens the name alone: no data key is unwrapped.
func (r *Record) Name(k *EnvKey, p Place) (string, error) {
	padded, err := OpenBox(k.Key, p, FieldName, r.name)
	if err != nil {
		return "", err
	}
	name, err := unpad(padded)
	if err != nil || k.RecordID(string(name)) != p.ID {
		return "", ErrOpen
	}
	return string(name), nil
}

// Meta unwraps the data key and opens the metadata, which must be that of ref.
func (r *Record) Meta(k *EnvKey, p Place, ref secret.Ref) (Meta, error) {
	m, valueKey, err := r.open(k, p, ref)
	clear(valueKey)
	return m, err
}

// Open unwraps the data key and opens metadata and value.
func (r *Record) Open(k *EnvKey, p Place, ref secret.Ref) (Meta, secret.Value, error) {
	m, valueKey, err := r.open(k, p, ref)
	if err != nil {
		return Meta{}, secret.Value{}, err
	}
	defer clear(valueKey)
	padded, err := gcm(valueKey).Open(nil, nil, r.value, p.aad(cipherSuite, FieldValue))
	if err != nil {
		return Meta{}, secret.Value{}, ErrOpen
	}
	value, err := unpad(padded)
	if err != nil || uint32(len(value)) != m.Size {
		clear(padded)
		return Meta{}, secret.Value{}, ErrOpen
	}
	return m, secret.New(value), nil
}

// open unwraps the data key, opens the metadata and returns the value's key.
func (r *Record) open(k *EnvKey, p Place, ref secret.Ref) (Meta, []byte, error) {
	dek, err := OpenBox(k.Key, p, FieldDEK, r.dek)
	if err != nil || len(dek) != KeySize {
		return Meta{}, nil, ErrOpen
	}
	defer clear(dek)
	metaKey, valueKey := dekKeys(dek)
	defer clear(metaKey)
	padded, err := gcm(metaKey).Open(nil, nil, r.meta, p.aad(cipherSuite, FieldMeta))
	if err != nil {
		return Meta{}, nil, ErrOpen
	}
	m, err := parseMeta(padded)
	if err != nil || m.Ref != ref || !r.agrees(m, k, p) {
		return Meta{}, nil, ErrOpen
	}
	return m, valueKey, nil
}

// agrees reports whether the open header says what the sealed metadata says.
func (r *Record) agrees(m Meta, k *EnvKey, p Place) bool {
	return r.Flags == m.Flags&visible && r.Created == m.Created && r.Time == m.Time &&
		r.Env == k.Env && r.Epoch == k.Epoch && k.RecordID(m.Ref.Name) == p.ID
}

// dekKeys derives the separate keys of metadata and value.
func dekKeys(dek []byte) (meta, value []byte) {
	out := expand(dek, []byte("ov/v1/dek"), 2*KeySize)
	return out[:KeySize:KeySize], out[KeySize:]
}

// marshal: LP(app) LP(env) LP(name) created[8] time[8] flags[1] size[4]
// device[16] LP(from) n[4] n*LP(tag), then LP(origin) unless that is empty.
func (m Meta) marshal() []byte {
	b := LP([]byte(m.Ref.App), []byte(m.Ref.Env), []byte(m.Ref.Name))
	b = binary.BigEndian.AppendUint64(b, m.Created)
	b = binary.BigEndian.AppendUint64(b, m.Time)
	b = append(b, m.Flags)
	b = binary.BigEndian.AppendUint32(b, m.Size)
	b = append(b, m.Device[:]...)
	b = lp.Append(b, []byte(m.From))
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.Tags)))
	for _, t := range m.Tags {
		b = lp.Append(b, []byte(t))
	}
	if m.Origin != "" {
		b = lp.Append(b, []byte(m.Origin))
	}
	return b
}

func parseMeta(padded []byte) (Meta, error) {
	b, err := unpad(padded)
	if err != nil {
		return Meta{}, err
	}
	r := lp.NewReader(b)
	m := Meta{Ref: secret.Ref{App: string(r.Field()), Env: string(r.Field()), Name: string(r.Field())}}
	m.Created, m.Time, m.Flags, m.Size = r.U64(), r.U64(), r.U8(), r.U32()
	copy(m.Device[:], r.Take(len(m.Device)))
	m.From = string(r.Field())
	for range r.Count(4) {
		m.Tags = append(m.Tags, string(r.Field()))
	}
	empty := false
	if !r.Bad() && len(r.Rest()) > 0 {
		m.Origin = string(r.Field())
		empty = m.Origin == ""
	}
	if !r.Done() || empty {
		return Meta{}, ErrOpen
	}
	m.Tags = slices.Clip(m.Tags)
	return m, nil
}
