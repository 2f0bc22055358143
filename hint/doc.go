// Package hint is for errors that say what to do about them.
//
// A package that knows the next step adds it with [Add]. A package that shows errors takes text and
// advice apart with [Split], or asks for the advice alone with [Of]. A type of error that works its
// advice out, or that carries it in fields of its own, has a method Advice instead.
package hint
