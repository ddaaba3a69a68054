package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"

	"filippo.io/torchwood"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// entries reads a whole log as a client that trusts its key alone, and the proof of each entry.
func entries(ctx context.Context, args []string) (any, error) {
	if err := want(args, "VKEY", "URL"); err != nil {
		return nil, err
	}
	fetcher, err := torchwood.NewTileFetcher(args[1])
	if err != nil {
		return nil, err
	}
	signed, err := fetcher.ReadEndpoint(ctx, "checkpoint")
	if err != nil {
		return nil, err
	}
	verifier, err := torchwood.NewLogVerifier(args[0])
	if err != nil {
		return nil, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return nil, err
	}
	checkpoint, err := torchwood.ParseCheckpoint(opened.Text)
	if err != nil {
		return nil, err
	}
	reader, err := torchwood.NewClient(fetcher)
	if err != nil {
		return nil, err
	}
	digest, count := sha256.New(), int64(0)
	for index, entry := range reader.AllEntries(ctx, checkpoint.Tree, 0) {
		if index != count {
			return nil, fmt.Errorf("expected entry %d, found %d", count, index)
		}
		digest.Write(entry)
		count++
	}
	if err := reader.Err(); err != nil {
		return nil, err
	}
	// One entry in a hundred by its own, with its inclusion proof.
	for index := int64(0); index < count; index += 101 {
		entry, path, err := reader.Entry(ctx, checkpoint.Tree, index)
		if err != nil {
			return nil, err
		}
		if err := tlog.CheckRecord(path, checkpoint.N, checkpoint.Hash, index, tlog.RecordHash(entry)); err != nil {
			return nil, err
		}
	}
	found := map[string]any{"size": checkpoint.N, "read": count, "digest": hex.EncodeToString(digest.Sum(nil))}
	return found, nil
}

// fsckLog recomputes every tile and the root from the entry bundles, and compares each with what is served.
func fsckLog(ctx context.Context, args []string) (any, error) {
	if err := want(args, "VKEY", "URL"); err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(args[0])
	if err != nil {
		return nil, err
	}
	root, err := url.Parse(args[1] + "/")
	if err != nil {
		return nil, err
	}
	fetcher, err := client.NewHTTPFetcher(root, nil)
	if err != nil {
		return nil, err
	}
	checker := fsck.New(verifier.Name(), verifier, fetcher, leafHashes, fsck.Opts{N: 4})
	if err := checker.Check(ctx); err != nil {
		return nil, err
	}
	return map[string]any{"status": checker.Status().String()}, nil
}

func leafHashes(bundle []byte) ([][]byte, error) {
	var read api.EntryBundle
	if err := read.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	written := bytes.Buffer{}
	hashes := make([][]byte, 0, len(read.Entries))
	for _, entry := range read.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
		appended, err := torchwood.AppendTileEntry(nil, entry)
		if err != nil {
			return nil, err
		}
		written.Write(appended)
	}
	if !bytes.Equal(written.Bytes(), bundle) {
		return nil, fmt.Errorf("the bundle is not what its entries make")
	}
	return hashes, nil
}
