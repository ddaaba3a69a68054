package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"
)

// proof checks a tlog-proof of an entry given in hexadecimal digits.
func proof(_ context.Context, args []string) (any, error) {
	if err := want(args, "POLICY", "PROOF", "ENTRY"); err != nil {
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
	entry, err := hex.DecodeString(args[2])
	if err != nil {
		return nil, err
	}
	if err := torchwood.VerifyProof(policy, tlog.RecordHash(entry), text); err != nil {
		return nil, err
	}
	// Proofs without extra data have none to extract.
	extra, _ := torchwood.ProofExtraData(text)
	return map[string]any{"extra": hex.EncodeToString(extra)}, nil
}

// A claim is one proof of ours over the tree whose leaf n is the number n as text.
type claim struct {
	Kind  string // inclusion, consistency or subtree
	Start int64  // the index; the old size; the subtree's start
	End   int64  // the subtree's end
	Size  int64
	Root  tlog.Hash // of the tree of that size
	Hash  tlog.Hash // of the leaf; of the old tree; of the subtree
	Proof []tlog.Hash
}

// leaves is a tree in memory.
type leaves []tlog.Hash

func (l leaves) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = l[index]
	}
	return hashes, nil
}

func grow(size int64) (leaves, error) {
	var tree leaves
	for n := range size {
		hashes, err := tlog.StoredHashes(n, fmt.Append(nil, n), tree)
		if err != nil {
			return nil, err
		}
		tree = append(tree, hashes...)
	}
	return tree, nil
}

// proofs checks every claim of a file, and that Go makes the same proof.
func proofs(_ context.Context, args []string) (any, error) {
	if err := want(args, "FILE"); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return nil, err
	}
	var claims []claim
	if err := json.Unmarshal(text, &claims); err != nil {
		return nil, err
	}
	var largest int64
	for _, claim := range claims {
		largest = max(largest, claim.Size)
	}
	tree, err := grow(largest)
	if err != nil {
		return nil, err
	}
	for _, claim := range claims {
		if err := claim.check(tree); err != nil {
			return nil, fmt.Errorf("%s %d %d in %d: %w", claim.Kind, claim.Start, claim.End, claim.Size, err)
		}
	}
	return map[string]any{"checked": len(claims)}, nil
}

func (c claim) check(tree leaves) error {
	root, err := tlog.TreeHash(c.Size, tree)
	if err != nil {
		return err
	}
	if root != c.Root {
		return fmt.Errorf("expected the root %v, found %v", root, c.Root)
	}
	var made []tlog.Hash
	switch c.Kind {
	case "inclusion":
		if err = tlog.CheckRecord(c.Proof, c.Size, c.Root, c.Start, c.Hash); err == nil {
			made, err = tlog.ProveRecord(c.Size, c.Start, tree)
		}
	case "consistency":
		if err = tlog.CheckTree(c.Proof, c.Size, c.Root, c.Start, c.Hash); err == nil {
			made, err = tlog.ProveTree(c.Size, c.Start, tree)
		}
	case "subtree":
		if err = torchwood.CheckSubtree(c.Proof, c.Size, c.Root, c.Start, c.End, c.Hash); err == nil {
			made, err = torchwood.ProveSubtree(c.Size, c.Start, c.End, tree)
		}
	default:
		err = fmt.Errorf("unknown kind")
	}
	if err != nil {
		return err
	}
	if !slices.Equal(made, c.Proof) {
		return fmt.Errorf("expected the proof %v, found %v", made, c.Proof)
	}
	return nil
}
