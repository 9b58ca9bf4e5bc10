import { Template } from '@huggingface/jinja';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { toTemplateMessage, type ChatMessage } from './chat-message.js';
import { compileChatTemplate } from './chat-template.js';

/** What templates of models are written with. */
const TEMPLATE = `{%- macro block(role, text) -%}{{ '<|' ~ role ~ '|>' + text | trim }}{%- endmacro -%}
{%- set ns = namespace(last=-1) -%}
{%- for message in messages if message.role == 'user' -%}{%- set ns.last = loop.index0 -%}{%- endfor -%}
{{- bos_token }}{% if tools is not none %}{{ tools | tojson(indent=2) }}{% endif -%}
{%- for message in messages -%}
  {%- if message.role == 'tool' and not loop.first -%}{{ block('tool ' ~ ns.last, message.content) }}
  {%- elif message.tool_calls is defined and message.tool_calls -%}
    {%- for call in message.tool_calls -%}{{ call.function.name + ':' + (call.function.arguments | tojson) }}{%- endfor -%}
  {%- else -%}{{ block(message['role'], message.content.split('\\n')[0] | upper) }}{{ loop.index }}/{{ messages | length }}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ block('assistant', '') }}{% endif -%}`;

const content = fc.string({ unit: 'grapheme', maxLength: 40 });
const message: fc.Arbitrary<ChatMessage> = fc.oneof(
  fc.record({ role: fc.constantFrom('system' as const, 'user' as const, 'assistant' as const), content }),
  fc.record({ role: fc.constant('tool' as const), content, toolCallId: fc.string() }),
  fc.record({
    role: fc.constant('assistant' as const),
    content,
    toolCalls: fc.array(
      fc.record({
        toolCallId: fc.string(),
        tool: fc.string(),
        argumentsJson: fc.dictionary(fc.string(), fc.jsonValue()).map((value) => JSON.stringify(value)),
      }),
      { maxLength: 3 },
    ),
  }),
);

describe('a chat template', () => {
  it('is rendered as the library that the build has rewritten renders it', () => {
    const template = compileChatTemplate(TEMPLATE, { bos_token: '<s>' });
    const original = new Template(TEMPLATE);
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 12, size: 'max' }),
        fc.option(fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { minLength: 1, maxLength: 3 })),
        fc.boolean(),
        (messages, tools, addGenerationPrompt) => {
          const values = { bos_token: '<s>', eos_token: '', unk_token: '', pad_token: '', tools };
          const conversation = {
            messages: messages.map(toTemplateMessage),
            add_generation_prompt: addGenerationPrompt,
          };
          const rendered = template.render(messages, tools ?? [], { addGenerationPrompt });
          expect(rendered).toBe(original.render({ ...values, ...conversation }));
          return true;
        },
      ),
    );
  });
});
