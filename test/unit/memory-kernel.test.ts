// The kernel in memory, in what the real one cannot be made to do in a test: failures, time, traffic.
import { connectionTests } from './memory-kernel/connections.js';
import { conntrackTests } from './memory-kernel/conntrack.js';
import { failureTests } from './memory-kernel/failures.js';
import { persistenceTests } from './memory-kernel/persistence.js';
import { schedulingTests } from './memory-kernel/scheduling.js';
import { surroundingsTests } from './memory-kernel/surroundings.js';

failureTests();
schedulingTests();
connectionTests();
persistenceTests();
conntrackTests();
surroundingsTests();
