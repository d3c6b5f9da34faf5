// Owns: which hosts may stand in a URL that is shown, logged and mounted: none with credentials, none that is filled in.
import { type Finding, finding, quote } from './finding.ts';

const fixed = /^[A-Za-z0-9._-]+(:[0-9]{1,5})?$|^\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?$/;

export function checkHost(field: string, url: string, allowed: string): readonly Finding[] {
  const host = /^https?:\/\/([^/?#]*)/.exec(url)?.[1] ?? '';
  return fixed.test(host) ? [] : [finding('urlInvalid', field, { found: `the host ${quote(shown(host))}`, allowed })];
}

/** What stands before the host may be a password. */
const shown = (host: string): string => host.replace(/^.*@/, '…@');
