package main

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"net"

	"filippo.io/torchwood"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/mod/sumdb/tlog"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// sshAgent serves one Ed25519 key: litewitness takes its key from an ssh-agent alone. It prints the key's
// fingerprint once it listens, and ends with its patience or its parent's signal.
func sshAgent(ctx context.Context, args []string) (any, error) {
	if err := want(args, "SOCKET", "SEED"); err != nil {
		return nil, err
	}
	seed, err := hex.DecodeString(args[1])
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, errors.New("expected a seed of 32 bytes in hexadecimal digits")
	}
	key := ed25519.NewKeyFromSeed(seed)
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		return nil, err
	}
	listener, err := net.Listen("unix", args[0])
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { listener.Close() })
	fmt.Println(ssh.FingerprintSHA256(public))
	for {
		connection, err := listener.Accept()
		if err != nil {
			return nil, err
		}
		go agent.ServeAgent(ring, connection)
	}
}

// introduce makes a log known to a litewitness that runs on this database, as its witnessctl does: the
// tables are litewitness's own. (witnessctl itself cannot be built from the module proxy alone.)
func introduce(_ context.Context, args []string) (any, error) {
	if err := want(args, "DATABASE", "VKEY"); err != nil {
		return nil, err
	}
	verifier, err := torchwood.NewLogVerifier(args[1])
	if err != nil {
		return nil, err
	}
	database, err := sqlite.OpenConn(args[0], sqlite.OpenReadWrite)
	if err != nil {
		return nil, err
	}
	defer database.Close()
	empty, err := tlog.TreeHash(0, nil)
	if err != nil {
		return nil, err
	}
	log := &sqlitex.ExecOptions{Args: []any{verifier.Name(), empty.String()}}
	if err := sqlitex.Execute(database, "INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)", log); err != nil {
		return nil, err
	}
	key := &sqlitex.ExecOptions{Args: []any{verifier.Name(), args[1]}}
	err = sqlitex.Execute(database, "INSERT INTO key (origin, key) VALUES (?, ?)", key)
	return map[string]any{"introduced": verifier.Name()}, err
}
