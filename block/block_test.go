package block

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	_ "github.com/multiformats/go-multihash/register/blake3"
)

type sample struct {
	Name string            `cbor:"name"`
	Link CID               `cbor:"link"`
	Opt  *CID              `cbor:"opt,omitempty"`
	List []uint64          `cbor:"list"`
	Map  map[string]string `cbor:"map"`
}

func TestCIDIsPlainIPFS(t *testing.T) {
	data := []byte("weights")
	want, err := cid.Prefix{Version: 1, Codec: cid.Raw, MhType: multihash.BLAKE3, MhLength: 32}.Sum(data)
	if err != nil {
		t.Fatal(err)
	}
	got := Sum(Raw, data)
	if got.String() != want.String() || !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Fatalf("got %s, go-cid says %s", got, want)
	}
	for _, parse := range []func() (CID, error){
		func() (CID, error) { return Parse(got.String()) },
		func() (CID, error) { return FromBytes(got.Bytes()) },
	} {
		back, err := parse()
		if err != nil || back != got {
			t.Fatalf("read back %v, %v", back, err)
		}
	}
	var back CID
	j, err := json.Marshal(got)
	if err != nil || json.Unmarshal(j, &back) != nil || back != got {
		t.Fatalf("JSON %s gives %v, %v", j, back, err)
	}
}

// FuzzFromBytes compares with go-cid: every CID that weft uses is read, and nothing else.
func FuzzFromBytes(f *testing.F) {
	for _, codec := range []Codec{Raw, DagCBOR} {
		f.Add(Sum(codec, []byte("x")).Bytes())
	}
	sha, _ := cid.Prefix{Version: 1, Codec: cid.Raw, MhType: multihash.SHA2_256, MhLength: 32}.Sum([]byte("x"))
	f.Add(sha.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		var want CID
		n, p, err := cid.CidFromBytes(b)
		if err == nil && n == len(b) {
			want, err = fromIPFS(p)
		}
		got, gotErr := FromBytes(b)
		if ok := err == nil && n == len(b); ok != (gotErr == nil) || got != want {
			t.Fatalf("%x: got %v %v, go-cid %v %v", b, got, gotErr, want, err)
		}
		if gotErr == nil && !bytes.Equal(got.Bytes(), b) {
			t.Fatalf("%x comes back as %x", b, got.Bytes())
		}
	})
}

func TestVerify(t *testing.T) {
	c := Sum(Raw, []byte("a"))
	if err := c.Verify([]byte("a")); err != nil {
		t.Error(err)
	}
	if err := c.Verify([]byte("b")); !errors.Is(err, ErrMismatch) {
		t.Errorf("wrong bytes: %v", err)
	}
}

func TestParseRefusesOthers(t *testing.T) {
	sha, _ := cid.Prefix{Version: 1, Codec: cid.Raw, MhType: multihash.SHA2_256, MhLength: 32}.Sum([]byte("x"))
	for _, s := range []string{"", "hello", sha.String(), "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"} {
		if _, err := Parse(s); !errors.Is(err, ErrCID) {
			t.Errorf("Parse(%q): %v", s, err)
		}
	}
}

// One CID has one text in a base: what differs in a character is another, or none.
func TestParseRefusesOtherTails(t *testing.T) {
	s := Sum(Raw, []byte("x")).String()
	good := 0
	for _, last := range "abcdefghijklmnopqrstuvwxyz234567" {
		other := s[:len(s)-1] + string(last)
		c, err := Parse(other)
		switch {
		case err == nil && c.String() == other:
			good++
		case !errors.Is(err, ErrCID):
			t.Errorf("Parse(%q): %v, %v", other, c, err)
		}
	}
	if good != 8 { // three of its five bits are the digest's
		t.Errorf("%d last characters are good, want 8", good)
	}
	if c, err := Parse(strings.ToUpper(s)); err != nil || c.String() != s {
		t.Errorf("in upper case: %v, %v", c, err)
	}
}

func TestDecodeIsStrict(t *testing.T) {
	good := Encode(sample{Name: "n", Link: Sum(Raw, nil), List: []uint64{1, 2}})
	var s sample
	if err := Decode(good, &s); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"truncated":     good[:len(good)-1],
		"trailing":      append(bytes.Clone(good), 0),
		"unknown field": Encode(map[string]any{"other": 1}),
		"missing field": Encode(map[string]any{"name": "n"}),
		"long integer":  {0x18, 1},
		"indefinite":    {0xbf, 0xff},
		"empty":         nil,
	} {
		if err := Decode(bad, &s); !errors.Is(err, ErrEncoding) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	c := Sum(DagCBOR, nil)
	f.Add(Encode(sample{Name: "n", Link: c, Opt: &c, Map: map[string]string{"a": "b", "": "c"}}))
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, data []byte) {
		var s sample
		if Decode(data, &s) != nil {
			return
		}
		if !bytes.Equal(Encode(s), data) {
			t.Fatalf("%x decodes to a value that encodes as %x", data, Encode(s))
		}
	})
}

// One CID has one text: what is read is written as it was, in base32, or, from another base, as one that reads back.
func FuzzParse(f *testing.F) {
	for _, c := range []CID{Sum(Raw, nil), Sum(DagCBOR, []byte("x"))} {
		f.Add(c.String())
		f.Add(c.Short())
	}
	f.Add("bafyr4i")
	f.Add("QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil {
			if c.Defined() || !errors.Is(err, ErrCID) {
				t.Fatalf("%v, %v", c, err)
			}
			return
		}
		if again, err := Parse(c.String()); err != nil || again != c || text[0] == 'b' && c.String() != text {
			t.Fatalf("%q is %s, %s, %v", text, c, again, err)
		}
	})
}
