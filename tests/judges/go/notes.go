package main

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/mldsa"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func open(_ context.Context, args []string) (any, error) {
	if err := want(args, "VKEY", "FILE"); err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(args[0])
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(args[1])
	if err != nil {
		return nil, err
	}
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return nil, err
	}
	return map[string]any{"text": opened.Text, "unverified": len(opened.UnverifiedSigs)}, nil
}

func checkpoint(_ context.Context, args []string) (any, error) {
	if err := want(args, "POLICY", "FILE"); err != nil {
		return nil, err
	}
	policy, err := readPolicy(args[0])
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(args[1])
	if err != nil {
		return nil, err
	}
	found, opened, err := torchwood.VerifyCheckpoint(text, policy)
	if err != nil {
		return nil, err
	}
	by := []string{}
	for _, signature := range opened.Sigs {
		by = append(by, fmt.Sprintf("%s+%08x", signature.Name, signature.Hash))
	}
	return map[string]any{"origin": found.Origin, "size": found.N, "root": found.Hash.String(), "by": by}, nil
}

func readPolicy(file string) (torchwood.Policy, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return torchwood.ParsePolicy(text)
}

// cosign makes a cosignature of either kind, from a seed.
func cosign(_ context.Context, args []string) (any, error) {
	if err := want(args, "KIND", "NAME", "SEED", "FILE"); err != nil {
		return nil, err
	}
	seed, err := hex.DecodeString(args[2])
	if err != nil {
		return nil, err
	}
	var key crypto.Signer
	switch args[0] {
	case "ed25519":
		key = ed25519.NewKeyFromSeed(seed)
	case "ml-dsa-44":
		if key, err = mldsa.NewPrivateKey(mldsa.MLDSA44(), seed); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("expected ed25519 or ml-dsa-44, found %q", args[0])
	}
	signer, err := torchwood.NewCosignatureSigner(args[1], key)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(args[3])
	if err != nil {
		return nil, err
	}
	body, _, _ := strings.Cut(string(text), "\n\n")
	signed, err := note.Sign(&note.Note{Text: body + "\n"}, signer)
	if err != nil {
		return nil, err
	}
	_, line, _ := strings.Cut(string(signed), "\n\n")
	return map[string]any{"vkey": signer.Verifier().String(), "line": line}, nil
}

func subtree(_ context.Context, args []string) (any, error) {
	if err := want(args, "VKEY", "ORIGIN", "START", "END", "HASH", "FILE"); err != nil {
		return nil, err
	}
	verifier, err := torchwood.NewCosignatureVerifier(args[0])
	if err != nil {
		return nil, err
	}
	start, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return nil, err
	}
	end, err := strconv.ParseInt(args[3], 10, 64)
	if err != nil {
		return nil, err
	}
	hash, err := tlog.ParseHash(args[4])
	if err != nil {
		return nil, err
	}
	line, err := os.ReadFile(args[5])
	if err != nil {
		return nil, err
	}
	return map[string]any{"valid": verifier.VerifySubtree(args[1], start, end, hash, line)}, nil
}
