// Package try runs a mesh of real nodes on this machine, one per site, that train a model together with the user's own
// script, or with the embedded trainer; shows how the rounds go; and says what came of it.
package try
