// Owns: the priorities of runs.
export const priorities = ['high', 'normal', 'low'] as const;
export type Priority = (typeof priorities)[number];
export const defaultPriority: Priority = 'normal';
