import { Command, CommanderError } from 'commander';
import { SmEdgeError } from '../base/errors.js';
import { PROGRAM_VERSION } from '../base/version.js';
import type { RegisterVerb } from './context.js';
import { type CliContext, EXIT, reportFailure } from './output.js';

/** Each verb's module is loaded only when the verb is typed: `features` needs no broker and `check` no model. */
const VERBS: readonly { readonly name: string; load(): Promise<{ register: RegisterVerb }> }[] = [
  { name: 'check', load: () => import('./check.js') },
  { name: 'run', load: () => import('./run.js') },
  { name: 'demo', load: () => import('./demo.js') },
  { name: 'simulate', load: () => import('./simulate.js') },
  { name: 'features', load: () => import('./features.js') },
  { name: 'replay', load: () => import('./replay.js') },
  { name: 'train', load: () => import('./train.js') },
  { name: 'evaluate', load: () => import('./evaluate.js') },
  { name: 'explain', load: () => import('./explain.js') },
  { name: 'cases', load: () => import('./cases.js') },
  { name: 'commission', load: () => import('./commission.js') },
  { name: 'models', load: () => import('./models.js') },
  { name: 'mqtt-password', load: () => import('./mqtt-password.js') },
  { name: 'alarms', load: () => import('./alarms.js') },
  { name: 'events', load: () => import('./events.js') },
  { name: 'captures', load: () => import('./captures.js') },
  { name: 'dlq', load: () => import('./dlq.js') },
  { name: 'scan', load: () => import('./scan.js') },
  { name: 'probe', load: () => import('./probe.js') },
  { name: 'status', load: () => import('./status.js') },
  { name: 'top', load: () => import('./top.js') },
  { name: 'tail', load: () => import('./tail.js') },
  { name: 'write', load: () => import('./write.js') },
  { name: 'clock', load: () => import('./clock.js') },
  { name: 'backup', load: () => import('./backup.js') },
  { name: 'restore', load: () => import('./restore.js') },
  { name: 'verify', load: () => import('./verify.js') },
  { name: 'export', load: () => import('./export.js') },
];

/**
 * The command line. Exit code 0 done, 1 failed, 2 wrong usage or config.
 * @param argv as of the process, program name included
 */
export async function main(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  streams: Pick<CliContext, 'out' | 'err' | 'in'> = {
    out: process.stdout,
    err: process.stderr,
    in: process.stdin,
  },
): Promise<number> {
  const context: CliContext = { env, ...streams };
  let exitCode: number = EXIT.done;
  const program = new Command('sm-edge')
    .description('Smart Maintenance Edge: condition monitoring on the industrial gateway')
    .version(PROGRAM_VERSION)
    .showHelpAfterError('(sm-edge --help lists the verbs)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.out.write(text),
      writeErr: (text) => context.err.write(text),
    });
  const typed = argv[2];
  const wanted = VERBS.some(({ name }) => name === typed)
    ? VERBS.filter(({ name }) => name === typed)
    : VERBS;
  for (const verb of wanted) {
    const { register } = await verb.load();
    register(program, context, (code) => {
      exitCode = code;
    });
  }
  if (typed === undefined) {
    program.outputHelp();
    return EXIT.usage;
  }
  try {
    await program.parseAsync([...argv]);
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    if (thrown.exitCode === 0) return EXIT.done;
    if (argv.includes('--json')) await reportFailure(context, true, usageError(thrown));
    return EXIT.usage;
  }
  return exitCode;
}

/** A word that commander does not know, for who reads JSON. */
const usageError = ({ message }: CommanderError): SmEdgeError =>
  new SmEdgeError('USAGE', message.replace(/^error: /, '').split('\n')[0]!, {
    hint: 'sm-edge VERB --help shows the options',
  });
