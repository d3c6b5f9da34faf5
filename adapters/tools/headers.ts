// Owns: the headers that carry a tool's credential.
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';

/** Default `Authorization: Bearer <value>`. */
export function credentialHeaders(spec: ToolSpec, credential: string | undefined): Record<string, string> {
  if (spec.credential === undefined || credential === undefined) return {};
  const { header = 'Authorization', prefix = spec.credential.header === undefined ? 'Bearer ' : '' } = spec.credential;
  return { [header]: `${prefix}${credential}` };
}
