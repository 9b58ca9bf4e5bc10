// Preloaded into the processes that the demo starts (`node --import`). Their standard input is a pipe from the demo: when
// it closes, the demo has ended, however it ended, and so must they.
process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM'));
process.stdin.on('error', () => process.kill(process.pid, 'SIGTERM'));
process.stdin.resume();
(process.stdin as typeof process.stdin & { unref?: () => void }).unref?.();
