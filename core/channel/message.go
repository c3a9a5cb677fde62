package channel

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/opaquevault/ov/core/lp"
)

// ErrMessage says that the inside of a sealed body is not a request or an answer.
var ErrMessage = errors.New("malformed message")

// A Field is one header field inside a sealed body.
type Field struct{ Name, Value string }

// A Message is what a sealed body holds: a request (Status 0) or an answer.
type Message struct {
	Method, Host, Path, Query string // of a request
	Status                    uint16 // of an answer
	Fields                    []Field
	Body                      []byte
}

// maxFields bounds the header of a message.
const maxFields = 16

// Field returns the value of a header field, "" if it is not there.
func (m *Message) Field(name string) string {
	i := slices.IndexFunc(m.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return ""
	}
	return m.Fields[i].Value
}

// Encode returns the bytes that are sealed:
//
//	LP("ov/v1/message", method, host, path, query) status[2] n[4] n*LP(name, value) LP(body)
func (m *Message) Encode() []byte {
	b := make([]byte, 0, len(m.Body)+512)
	b = append(b, lp.Join([]byte("ov/v1/message"), []byte(m.Method), []byte(m.Host), []byte(m.Path), []byte(m.Query))...)
	b = binary.BigEndian.AppendUint16(b, m.Status)
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.Fields)))
	for _, f := range m.Fields {
		b = append(b, lp.Join([]byte(f.Name), []byte(f.Value))...)
	}
	return lp.Append(b, m.Body)
}

// ParseMessage undoes Encode. The body lies in data.
func ParseMessage(data []byte) (*Message, error) {
	r := lp.NewReader(data)
	if string(r.Field()) != "ov/v1/message" {
		return nil, ErrMessage
	}
	m := &Message{Method: string(r.Field()), Host: string(r.Field()), Path: string(r.Field()), Query: string(r.Field())}
	if b := r.Take(2); b != nil {
		m.Status = binary.BigEndian.Uint16(b)
	}
	n := r.Count(8)
	if n > maxFields {
		return nil, ErrMessage
	}
	for range n {
		m.Fields = append(m.Fields, Field{string(r.Field()), string(r.Field())})
	}
	m.Body = r.Field()
	if !r.Done() {
		return nil, ErrMessage
	}
	return m, nil
}
