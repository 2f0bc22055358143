package bench

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"time"
)

// A stream that is measured carries a model each time that its client writes a byte.

// serve writes data for each byte that comes, until the stream ends.
func serve(s io.ReadWriter, data []byte) {
	var one [1]byte
	for {
		if _, err := io.ReadFull(s, one[:]); err != nil {
			return
		}
		for part := range slices.Chunk(data, 1<<20) {
			if _, err := s.Write(part); err != nil {
				return
			}
		}
	}
}

// ask reads n bytes from a stream that serve writes to, and throws them away.
func ask(ctx context.Context, s io.ReadWriter, end func() error, n int) error {
	defer context.AfterFunc(ctx, func() { _ = end() })()
	if _, err := s.Write([]byte{1}); err != nil {
		return err
	}
	buf := make([]byte, 1<<20)
	got, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(s, int64(n)), buf)
	if err == nil && got != int64(n) {
		err = fmt.Errorf("%d of %d bytes came: %w", got, n, io.ErrUnexpectedEOF)
	}
	return err
}

// stream is an open connection that carries data when asked.
type stream struct {
	io.ReadWriter
	end func() error
	n   int
}

func (s stream) run(ctx context.Context) (Cost, error) { return Cost{}, ask(ctx, s, s.end, s.n) }

// openStream opens a TCP connection over the link, with TLS 1.3 if secure, to a server of data.
func openStream(ctx context.Context, link *emulated, data []byte, secure bool) (_ stream, closeAll func(), err error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return stream{}, nil, err
	}
	var server, client *tls.Config
	if secure {
		if server, client, err = certificate(); err != nil {
			return stream{}, nil, errors.Join(err, l.Close())
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if secure {
				c = tls.Server(c, server)
			}
			go func() {
				defer c.Close()
				serve(c, data)
			}()
		}
	}()
	port, err := link.to(l.Addr().(*net.TCPAddr).Port)
	if err != nil {
		return stream{}, nil, errors.Join(err, l.Close())
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return stream{}, nil, errors.Join(err, l.Close())
	}
	if secure {
		c = tls.Client(c, client)
	}
	return stream{c, c.Close, len(data)}, func() { _, _ = c.Close(), l.Close() }, nil
}

// certificate returns what two ends of TLS 1.3 need to trust each other, as those of sites: with Ed25519.
func certificate() (server, client *tls.Config, err error) {
	const name = "bench"
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, public, private)
	if err != nil {
		return nil, nil, err
	}
	if c, err = x509.ParseCertificate(raw); err != nil {
		return nil, nil, err
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(c)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: private}}, MinVersion: tls.VersionTLS13},
		&tls.Config{RootCAs: trusted, ServerName: name, MinVersion: tls.VersionTLS13}, nil
}
