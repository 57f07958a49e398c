package frameway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// saveInterval is the time between two writes of a subscription's cursors.
const saveInterval = time.Second

// CursorStore keeps the cursors of one subscription, by stream id.
type CursorStore interface {
	// Load returns the stored cursors; none is no error.
	Load(ctx context.Context) (map[string]string, error)
	// Save replaces the stored cursors. It must not keep the map.
	Save(ctx context.Context, cursors map[string]string) error
}

// StoreError is an error of a cursor store. Delivery does not continue after it.
type StoreError struct {
	// Store is the store, for example the path of a [FileStore].
	Store CursorStore
	// Err is the cause.
	Err error
}

func (e *StoreError) Error() string {
	return fmt.Sprintf("frameway: cursor store %v: %v", e.Store, e.Err)
}

// Unwrap returns the cause.
func (e *StoreError) Unwrap() error { return e.Err }

// FileStore is the path of a file that keeps cursors. A write replaces the file as a whole, after the
// new one is on the disk.
type FileStore string

type cursorFile struct {
	Format  string            `json:"format"`
	Cursors map[string]string `json:"cursors"`
}

const cursorFormat = "frameway-cursors-1"

// Load returns the cursors in the file; a file that does not exist has none.
func (f FileStore) Load(context.Context) (map[string]string, error) {
	content, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var file cursorFile
	if err == nil {
		if err = json.Unmarshal(content, &file); err != nil || file.Format != cursorFormat {
			err = fmt.Errorf("the file is damaged or not a cursor file: restore it, or delete it to start without cursors")
		}
	}
	return file.Cursors, err
}

// Save writes a file beside the old one, and puts it in its place.
func (f FileStore) Save(_ context.Context, cursors map[string]string) error {
	if info, err := os.Stat(string(f)); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file: choose another path", string(f))
	}
	content, err := json.Marshal(cursorFile{cursorFormat, cursors})
	if err != nil {
		return err
	}
	next := string(f) + ".new"
	if err := writeSynced(next, content); err != nil {
		return err
	}
	if err := os.Rename(next, string(f)); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(string(f)))
	if err != nil {
		return err
	}
	return cmp.Or(folder.Sync(), folder.Close())
}

func writeSynced(path string, content []byte) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err = file.Write(content); err == nil {
		err = file.Sync()
	}
	return cmp.Or(err, file.Close())
}
