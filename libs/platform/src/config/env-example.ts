import type { z } from 'zod';
import { describeSetting } from './describe-setting.js';

const widthColumns = 118;

/**
 * Pure. The text of `.env.example`: each setting with its description, what is allowed and its default, commented out
 * unless it must be given.
 */
export function envExample(schema: z.ZodObject): string {
  return Object.entries(schema.shape)
    .map(([name, setting]) => settingText(name, setting as z.ZodType))
    .join('\n');
}

function settingText(name: string, setting: z.ZodType): string {
  const { description, allowed, defaultText, required } = describeSetting(setting);
  const sentences = [description, allowed && `Allowed: ${allowed}.`, required && 'Must be set.'];
  const comment = wrap(sentences.filter(Boolean).join(' ')).map((line) => `# ${line}\n`);
  return `${comment.join('')}${required ? '' : '#'}${name}=${defaultText ?? ''}\n`;
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= widthColumns)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
