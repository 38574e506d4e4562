// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Does what the words say, one after the other, and prints what came of it:
///     cd=DIR        goes there
///     info          what the CUDA backend says of itself
///     make=DEVICE   a plan: "device algorithm", then its notes
///     run=DEVICE    the same, and a run of it, whose result is checked
///     race=N        N threads at once ask for CUDA: the answers that differ
///     loaded        whether the module is in the process
/// What is thrown is printed with the name of its type, as which it must have been caught here.
extern "C" __attribute__((visibility("default"))) int probe(int count, char** words);
