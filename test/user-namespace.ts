// In a user namespace of its own root may not do what concerns the whole machine.
import { readFileSync } from 'node:fs';

/** Whether this process is in the first user namespace, whose ids are all mapped to themselves. */
export const ownsMachine = /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'));
