// Owns: the step that every peer takes: nothing, with a result of 200 bytes.
const padding = 'x'.repeat(200 - JSON.stringify({ step: 0, padding: '' }).length);

export async function noop(step, ms) {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
  return { step, padding };
}
