// Package report makes one page of what the playing of a scenario has left: a file that needs nothing
// else, no script and no network, for a browser, a mail or a printer, light or dark.
//
// A page shows one [scenarios.Recording], or two of one scenario side by side: simulated, and of real
// processes. Its pictures are SVG: drawings of this package's few helpers (type canvas), in the
// colours of Okabe and Ito, which people who see few colours tell apart. What a trace comes to,
// phases of sites and turns of rounds, is worked out by type story; pictures only draw.
package report
