// Package wal is a site's log: what it may not forget, its votes and updates and the entries decided.
//
// [Create] begins a log, [Open] replays it and appends to it, [Read] reads one that a node may have
// open. [Log.Append] returns when its records survive a crash. What a crash leaves at the end is cut
// off; any other damage is [ErrDamaged], as dropping a vote could make the site vote twice.
package wal
