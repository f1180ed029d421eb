import type { Row } from "./row.ts";
import { internalNetwork, otherNetwork, unpublishedPort } from "./rows/closed.ts";
import { leavesNothing } from "./rows/leave.ts";
import { portRange } from "./rows/range.ts";
import { byName, outbound, overIpv6, publishedHere, publishedToNeighbour } from "./rows/reach.ts";
import { portConflict, typo } from "./rows/refuse.ts";
import { hostAddress } from "./rows/share.ts";
import { driverKilled } from "./rows/survive.ts";

/** In the order in which they are tried; the last one takes everything down. */
export const rows: readonly Row[] = [
  byName,
  publishedHere,
  publishedToNeighbour,
  unpublishedPort,
  otherNetwork,
  internalNetwork,
  overIpv6,
  outbound,
  portRange,
  hostAddress,
  portConflict,
  typo,
  driverKilled,
  leavesNothing,
];
