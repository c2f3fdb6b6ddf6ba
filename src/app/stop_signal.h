// SPDX-License-Identifier: Apache-2.0
// SIGHUP, SIGINT and SIGTERM in a run that must not lose work. Files are whole at any moment, so a
// program may end at once whenever it has nothing else to save.
#pragma once

namespace switchyard {

// Makes each of the three signals call `handler`, unless it is ignored (under nohup, or in a
// background job of a shell script): what the caller chose to ignore stays ignored.
void on_stop_signals(void (*handler)(int));

// From here on each of the three, unless it is ignored (nohup), ends the program with 128 + N at
// once, as long as there is nothing to save.
void catch_stop_signals();

// From here on the first one is remembered: the program is to finish what it does, save and return
// 128 + N. One that comes a second or more later ends the program at once; until then it counts as
// the same, because shells and `timeout` repeat to a process what the terminal has sent it already.
void defer_stop_signals();

// The signal that came; 0: none.
int stop_signal();

}  // namespace switchyard
