/** Breaks text into lines of at most `width` characters, between words where it can. Blanks at the edges are lost. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    let line = "";
    for (const word of paragraph.split(/\s+/).flatMap((whole) => chop(whole, width))) {
      if (line === "") {
        line = word;
      } else if (line.length + 1 + word.length <= width) {
        line += ` ${word}`;
      } else {
        lines.push(line);
        line = word;
      }
    }
    lines.push(line);
  }
  return lines;
}

/** Ids, options and addresses may be longer than a column. */
function chop(word: string, width: number): string[] {
  const parts: string[] = [];
  for (let at = 0; at < word.length; at += width) {
    parts.push(word.slice(at, at + width));
  }
  return parts.length === 0 ? [""] : parts;
}
