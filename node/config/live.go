package config

import (
	"reflect"
	"strings"
	"sync/atomic"
)

// Live is the configuration of a node that runs: a part of it may change meanwhile. Its methods may be called concurrently.
type Live struct{ now atomic.Pointer[Config] }

// NewLive returns what a node starts with.
func NewLive(c *Config) *Live {
	l := &Live{}
	l.now.Store(c)
	return l
}

// Now returns the configuration in force, which is never changed, only replaced.
func (l *Live) Now() *Config { return l.now.Load() }

// reloads are the fields that a node takes over while it runs. What follows from the others was built from them when it started.
var reloads = map[string]bool{
	"accept": true, "samples": true, "max_model": true, "disk_reserve": true, "keep_models": true, "keep_updates": true, "share_errors": true, "log.level": true,
}

// Take takes over what may change while the node runs. It returns the fields that have changed, and those that differ and need a
// restart.
func (l *Live) Take(next *Config) (changed, restart []string) {
	merged := *l.Now()
	take := func(name string, now, next reflect.Value) {
		switch {
		case reflect.DeepEqual(now.Interface(), next.Interface()):
		case reloads[name]:
			now.Set(next)
			changed = append(changed, name)
		default:
			restart = append(restart, name)
		}
	}
	fields(reflect.ValueOf(&merged).Elem(), reflect.ValueOf(next).Elem(), "", take)
	l.now.Store(&merged)
	return changed, restart
}

// fields calls each with the fields of two structures, by their names in the file; those of log one by one.
func fields(a, b reflect.Value, prefix string, each func(name string, a, b reflect.Value)) {
	for i := range a.NumField() {
		name, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("yaml"), ",")
		if a.Field(i).Type() == reflect.TypeFor[Log]() {
			fields(a.Field(i), b.Field(i), name+".", each)
		} else {
			each(prefix+name, a.Field(i), b.Field(i))
		}
	}
}
