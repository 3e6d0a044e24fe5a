/** A reporter: one line with the counts, as `cargo xtask test` reads it. */
export default class Counts {
  onTestRunEnd(modules, errors) {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state) => tests.filter((test) => test.result().state === state).length;
    // A file that does not load, or an error beside the tests, is a failure too.
    const broken = modules.filter((module) => module.state() === 'failed' && [...module.children.allTests('failed')].length === 0);
    const failed = count('failed') + broken.length + errors.length;
    console.log(`console: ${count('passed')} passed, ${failed} failed, ${count('skipped') + count('pending')} skipped`);
  }
}
