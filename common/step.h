/*
 * common/step.h
 *    Named places in the code where a crash test can hold a process, and constants that a test can change.
 *
 * In builds with PGSHOVEL_TEST_HOOKS: PGS_STEP("label") compares the label with PGSHOVEL_STOP_AT ("label",
 * or "label:N" for the N-th pass; several with commas between them); on a match it appends "label PID\n" to the file named by
 * PGSHOVEL_STOP_FILE and raises SIGSTOP, once a label. In other builds it is nothing. Labels of a program stand in
 * one table (worker/steps.h, admin/steps.h); this file does not know them. With PGSHOVEL_STEP_TRACE every step
 * that is passed is appended to that file as "label\n".
 *
 * PGS_TEST_NUMBER("NAME", usual): the variable's value where it holds a positive number, else `usual`, which it
 * always is in other builds.
 */
#ifndef PGSHOVEL_COMMON_STEP_H
#define PGSHOVEL_COMMON_STEP_H

#ifdef PGSHOVEL_TEST_HOOKS
/* Thread-safe; any thread that reaches the step stops the whole process. */
void pgs_step(const char *label);
#define PGS_STEP(label) pgs_step(label)
unsigned long pgs_test_number(const char *name, unsigned long usual);
#define PGS_TEST_NUMBER(name, usual) pgs_test_number(name, usual)
#else
#define PGS_STEP(label)              ((void)0)
#define PGS_TEST_NUMBER(name, usual) (usual)
#endif

#endif
