// SPDX-License-Identifier: Apache-2.0
// SIGHUP, SIGINT and SIGTERM in a run that must not lose work. Files are never half-written, so a
// program may end at once whenever it has nothing to save.
#pragma once

namespace switchyard {

// Makes each of the three signals call `handler`, unless it is ignored (under nohup, or in a shell
// script's background job): whatever the caller chose to ignore stays ignored.
void on_stop_signals(void (*handler)(int));

// Until defer_stop_signals() is called, each of the three signals, unless it is ignored, ends the
// program at once with exit code 128 + N.
void catch_stop_signals();

// From now on the first signal is recorded: the program finishes its update, saves, and returns
// 128 + N. Another one at least a second later ends the program at once; an earlier one counts as
// the same signal, because shells and `timeout` repeat what the terminal has already sent.
void defer_stop_signals();

// The recorded signal; 0: none.
int stop_signal();

}  // namespace switchyard
