const maxQuotedLength = 60;

/**
 * User text for an error: at most 60 characters, quoted, pure ASCII.
 * Escaping everything else shows look-alike letters and keeps text direction marks away from terminals.
 */
export function quote(text: string): string {
  const shown = JSON.stringify(text.slice(0, maxQuotedLength)).replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return text.length > maxQuotedLength ? `${shown}… (${text.length} characters)` : shown;
}
