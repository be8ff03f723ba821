/** One action. Paths are relative to the folder of the run. */
export interface JobStep {
  readonly title: string;
  /** Folder of the inputs. */
  readonly inputs: string;
  /** The file that it makes, and the folder that the file is downloaded into. */
  readonly output?: { readonly path: string; readonly folder: string };
  readonly command: readonly string[];
}

/** Something small to do remotely. */
export interface Job {
  readonly heading: string;
  readonly headingAgain: string;
  readonly sources: Readonly<Record<string, string>>;
  readonly steps: readonly JobStep[];
}

/** A C program of several files: compiled apart, linked, run. */
export const compileJob: Job = {
  heading: 'Compile, link and run a C program remotely',
  headingAgain: 'The same again, in another folder',
  sources: {
    'greeting.h': 'const char *greeting(void);\n',
    'greeting.c':
      '#include "greeting.h"\n\nconst char *greeting(void) { return "Hello from a program that was built remotely"; }\n',
    'main.c': '#include <stdio.h>\n\n#include "greeting.h"\n\nint main(void) {\n  puts(greeting());\n  return 0;\n}\n',
  },
  steps: [
    ...['greeting', 'main'].map((name) => ({
      title: `gcc -c ${name}.c`,
      inputs: 'sources',
      output: { path: `${name}.o`, folder: 'objects' },
      command: ['gcc', '-Wall', '-O2', '-c', `${name}.c`, '-o', `${name}.o`],
    })),
    {
      title: 'gcc greeting.o main.o -o hello',
      inputs: 'objects',
      output: { path: 'hello', folder: 'program' },
      command: ['gcc', 'greeting.o', 'main.o', '-o', 'hello'],
    },
    { title: './hello', inputs: 'program', command: ['./hello'] },
  ],
};

/** For machines without a C compiler. */
export const countingJob: Job = {
  heading: 'This machine has no C compiler (gcc), so the worker counts words instead',
  headingAgain: 'The same again, in another folder',
  sources: { 'words.txt': 'remote\ncache\nremote\nworker\nremote\ncache\n' },
  steps: [
    {
      title: 'sort words.txt',
      inputs: 'sources',
      output: { path: 'sorted.txt', folder: 'sorted' },
      command: ['/bin/sh', '-c', 'sort words.txt > sorted.txt'],
    },
    {
      title: 'uniq -c sorted.txt',
      inputs: 'sorted',
      output: { path: 'counted.txt', folder: 'counted' },
      command: ['/bin/sh', '-c', 'uniq -c sorted.txt > counted.txt'],
    },
    { title: 'head -n 1 counted.txt', inputs: 'counted', command: ['head', '-n', '1', 'counted.txt'] },
  ],
};
