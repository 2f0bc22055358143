// Package demo is `weft demo`: a mesh of sites on one machine that fine-tunes the embedded
// base model, each site on other text, shown live, and what it was good for.
//
// Three kinds of model are measured on every site's held-out text: the base, what a site
// makes of it alone in as many steps, and the federated model. Losses are in nats per
// byte; lower is better.
package demo
