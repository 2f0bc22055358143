package site

import "errors"

// What keeps a site's directory from being used.
var (
	ErrNotInitialised = errors.New("not a site's directory")
	ErrNoMesh         = errors.New("the site belongs to no mesh yet")
	ErrGenesis        = errors.New("genesis is damaged")
	ErrExists         = errors.New("exists already")
	ErrInUse          = errors.New("another node runs in this directory")
)
