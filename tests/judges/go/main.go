// Command judge asks Go implementations of the C2SP formats what they think of ours:
// golang.org/x/mod/sumdb, filippo.io/torchwood and github.com/transparency-dev/tessera.
//
// It says what it found as JSON on standard output, and exits with 1 and a message where they refuse.
// tests/end-to-end/tests/judges runs it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// Nothing here may hang: a judge that has not made up its mind by then has failed.
const patience = 2 * time.Minute

var commands = map[string]func(ctx context.Context, args []string) (any, error){
	"open":       open,       // VKEY FILE: a note, by golang.org/x/mod/sumdb/note
	"checkpoint": checkpoint, // POLICY FILE: a checkpoint under a policy, by torchwood
	"proof":      proof,      // POLICY PROOF ENTRY: a tlog-proof, by torchwood
	"proofs":     proofs,     // FILE: Merkle proofs, by golang.org/x/mod/sumdb/tlog and torchwood
	"cosign":     cosign,     // KIND NAME SEED FILE: a checkpoint's cosignature, made by torchwood
	"subtree":    subtree,    // VKEY ORIGIN START END HASH FILE: a subtree's cosignature, by torchwood
	"entries":    entries,    // VKEY URL: every entry of a log with its proof, by torchwood
	"fsck":       fsckLog,    // VKEY URL: the whole log, by tessera
	"agent":      sshAgent,   // SOCKET SEED: an ssh-agent with one key, for litewitness
	"introduce":  introduce,  // DATABASE VKEY: a log made known to a litewitness
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 || commands[args[0]] == nil {
		return errors.New("usage: judge COMMAND ARGUMENTS, as main.go says")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	found, err := commands[args[0]](ctx, args[1:])
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

func want(args []string, names ...string) error {
	if len(args) != len(names) {
		return fmt.Errorf("expected %v, found %d arguments", names, len(args))
	}
	return nil
}
