// Owns: the pinned SHA-256 of official files, by URL. Only checksums that a maintainer has verified belong here; none
// has been yet, so downloads are skipped. `node local/assets/pin.ts` prints what the origins publish, to be compared
// with a second source before it is added.
export const checksums: Readonly<Record<string, string>> = {};
