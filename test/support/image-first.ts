import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Begins with the image, whose building takes minutes where packages come slowly, lest it runs on alone when all others have
 * ended. Otherwise the order is Vitest's own: what took longest the last time, or else the largest files.
 */
export default class ImageFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isImage = ({ moduleId }: TestSpecification) => moduleId.endsWith('/test/deploy/image-steps.test.ts');
    const sorted = await super.sort(files);
    return [...sorted.filter(isImage), ...sorted.filter((file) => !isImage(file))];
  }
}
