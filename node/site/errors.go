package site

import "errors"

// What keeps a site's directory from being used.
var (
	ErrNotInitialised = errors.New("not a site's directory")
	ErrNoMesh         = errors.New("the site belongs to no mesh yet")
	ErrGenesis        = errors.New("genesis is damaged")
	ErrExists         = errors.New("exists already")
	ErrKey            = errors.New("not a private key of a site")
	ErrInUse          = errors.New("another node runs in this directory")
)
