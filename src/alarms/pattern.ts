/** True where `*` in the pattern, standing for any run of characters, makes it the text. */
export function matches(pattern: string, text: string): boolean {
  // Takes each piece at its first place: linear, whatever a pattern looks like.
  const [head = '', ...pieces] = pattern.split('*');
  const tail = pieces.pop();
  if (tail === undefined) return pattern === text;
  if (!text.startsWith(head)) return false;
  let from = head.length;
  for (const piece of pieces) {
    const at = text.indexOf(piece, from);
    if (at === -1) return false;
    from = at + piece.length;
  }
  return text.length - tail.length >= from && text.endsWith(tail);
}
