package blockstore

// quickFS is the operating system's file system without waiting for the disk, for tests that
// do not crash.
type quickFS struct{ osFS }

type quickFile struct{ file }

func (quickFile) Sync() error            { return nil }
func (quickFS) SyncDir(dir string) error { return nil }

func (q quickFS) Create(name string) (file, error) {
	f, err := q.osFS.Create(name)
	return quickFile{f}, err
}

func (q quickFS) Open(name string, write bool) (file, error) {
	f, err := q.osFS.Open(name, write)
	return quickFile{f}, err
}

// OpenQuick is OpenDisk, but what it holds does not survive a crash.
func OpenQuick(dir string, opt Options) (*Disk, error) {
	s, err := open(quickFS{}, quickFS{}, dir, opt)
	if err != nil {
		return nil, err
	}
	return &Disk{s}, nil
}
