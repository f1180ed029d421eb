/** What "vtysh -f" prints: words of the daemons, and on stderr "line 85: Failure …, line: TEXT" for a line not taken. */

const complaint = /^(%|line \d+:)/;

// bgpd refuses this one line when the neighbor is that way already (bgp_neighbor_graceful_restart() in bgpd/bgp_fsm.c).
const harmless = [
  /^% The Graceful Restart command used is not valid at this moment\.$/,
  /^line \d+: .* graceful-restart-disable$/,
];

/**
 * Undefined: everything was taken. Neither the exit code nor the words suffice alone.
 * @param failure why vtysh itself ended badly
 */
export function vtyshRefusal({ said, failure }: { said: string; failure: string | undefined }): string | undefined {
  const complaints = said
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => complaint.test(line));
  const serious = complaints.filter((line) => !harmless.some((pattern) => pattern.test(line)));
  if (serious.length > 0) {
    return serious.map(withoutPassword).join("\n");
  }
  return complaints.length === 0 ? failure : undefined;
}

function withoutPassword(line: string): string {
  return line.replace(/ password .*$/, " password …");
}
