import { censusReport } from '../inspect/census-report.js';
import { TraceCensus } from '../inspect/trace-census.js';
import { readTrace } from '../trace-files/read-trace.js';

/** Prints what is in traces. Nothing is printed of a trace that cannot be read to its end. */
export const inspect = async (files: readonly string[], output: NodeJS.WritableStream): Promise<void> => {
  for (const file of files) {
    const census = new TraceCensus();
    const { format } = await readTrace(file, (program) => census.take(program));
    output.write(censusReport(`${file}: format ${format}`, census));
  }
};
