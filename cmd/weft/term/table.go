package term

import (
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Column is a table's column.
type Column struct {
	Name  string
	Right bool // align to the right, for numbers
	// Shrink lets the column give way when the table is too wide; at least one should.
	Shrink bool
	// Wrap lets the column give way too, and goes on in the next line with what would be cut off.
	Wrap bool
	// Optional leaves the column out if no row has anything in it.
	Optional bool
}

// gap separates columns.
const gap = 2

// Table lays cells out in columns. Cells may be coloured.
//
// lipgloss's table cannot draw it: there the cells of all columns wrap or those of none, no column is left out when it is
// empty, a heading that is cut keeps its beginning, and a column of numbers gives way as others do.
type Table struct {
	columns []Column
	rows    [][]string
}

// NewTable returns a table without rows.
func NewTable(columns ...Column) *Table { return &Table{columns: columns} }

// Row adds a row; missing cells are empty.
func (t *Table) Row(cells ...string) {
	t.rows = append(t.rows, append(cells, make([]string, max(0, len(t.columns)-len(cells)))...))
}

// Len returns the number of rows.
func (t *Table) Len() int { return len(t.rows) }

// Text returns the table as lines of at most width columns. head styles the heading; nil leaves it out.
func (t *Table) Text(width int, head func(string) string) string {
	t = t.filled()
	widths := t.widths(width, head != nil)
	var b strings.Builder
	if head != nil {
		names := make([]string, len(t.columns))
		for i, c := range t.columns {
			names[i] = head(c.heading(widths[i]))
		}
		t.line(&b, names, widths)
	}
	for _, r := range t.rows {
		for _, cells := range t.wrapped(r, widths) {
			t.line(&b, cells, widths)
		}
	}
	return b.String()
}

// wrapped returns a row as the lines that it takes.
func (t *Table) wrapped(row []string, widths []int) [][]string {
	lines := [][]string{slices.Clone(row)}
	for i, c := range t.columns {
		if !c.Wrap {
			continue
		}
		for k, part := range Wrap(row[i], widths[i]) {
			if k == len(lines) {
				lines = append(lines, make([]string, len(t.columns)))
			}
			lines[k][i] = part
		}
	}
	return lines
}

// heading returns the column's name in at most width columns. Over numbers the end of it is kept: what tells columns
// of numbers apart, such as sites', is there.
func (c *Column) heading(width int) string {
	if over := ansi.StringWidth(c.Name) - width; over > 0 && c.Right {
		return ansi.TruncateLeft(c.Name, over+1, "…")
	}
	return ansi.Truncate(c.Name, width, "…")
}

// filled returns the table without optional columns that are empty.
func (t *Table) filled() *Table {
	f := &Table{rows: make([][]string, len(t.rows))}
	for i, c := range t.columns {
		if c.Optional && !slices.ContainsFunc(t.rows, func(r []string) bool { return r[i] != "" }) {
			continue
		}
		f.columns = append(f.columns, c)
		for k, r := range t.rows {
			f.rows[k] = append(f.rows[k], r[i])
		}
	}
	return f
}

func (t *Table) widths(width int, heads bool) []int {
	widths := make([]int, len(t.columns))
	total := gap * (len(widths) - 1)
	for i, c := range t.columns {
		if heads {
			widths[i] = ansi.StringWidth(c.Name)
		}
		for _, r := range t.rows {
			widths[i] = max(widths[i], ansi.StringWidth(r[i]))
		}
		total += widths[i]
	}
	for over := total - width; over > 0; over-- {
		widest := -1 // of those that may shrink
		for i, c := range t.columns {
			if (c.Shrink || c.Wrap) && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 || widths[widest] <= 4 {
			break
		}
		widths[widest]--
	}
	return widths
}

func (t *Table) line(b *strings.Builder, cells []string, widths []int) {
	var line strings.Builder
	for i, c := range t.columns {
		cell := ansi.Truncate(cells[i], widths[i], "…")
		pad := strings.Repeat(" ", widths[i]-ansi.StringWidth(cell))
		if i > 0 {
			line.WriteString(strings.Repeat(" ", gap))
		}
		if c.Right {
			line.WriteString(pad + cell)
		} else {
			line.WriteString(cell + pad)
		}
	}
	b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

// Matrix is a table of what there is of each pair of names.
func Matrix(corner string, rows, columns []string, cell func(row, column string) string) *Table {
	head := []Column{{Name: corner}}
	for _, name := range columns {
		head = append(head, Column{Name: name, Right: true, Shrink: true})
	}
	t := NewTable(head...)
	for _, row := range rows {
		cells := []string{row}
		for _, column := range columns {
			cells = append(cells, cell(row, column))
		}
		t.Row(cells...)
	}
	return t
}
