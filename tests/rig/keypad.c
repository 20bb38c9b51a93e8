/* Loaded in front of the smart-card library: the reader has a keypad.
 *
 * Its features and the codes that ask for them are those of PC/SC part 10. Whoever types on it
 * puts a file where TEST_KEYPAD says: one line for each time that the reader asks, or nothing
 * for the cancel key; `nobody` lets its time run out, and `breakdown` fails the command. The file
 * goes when it is read. The PIN goes to the card and to nobody else.
 * With TEST_KEYPAD_VERIFIES_ONLY set, none can be changed on it; with TEST_KEYPAD_REFUSES, it
 * answers every question with that status at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The part of winscard.h that is used; its types are those of Linux's pcsc-lite. */
struct io_request {
    unsigned long protocol, length;
};
long SCardTransmit(long card, const struct io_request *send_pci, const unsigned char *command,
                   unsigned long command_length, struct io_request *receive_pci,
                   unsigned char *answer, unsigned long *answer_length);
long SCardStatus(long card, char *names, unsigned long *names_length, unsigned long *state,
                 unsigned long *protocol, unsigned char *atr, unsigned long *atr_length);

enum {
    GET_FEATURE_REQUEST = 0x42000000 + 3400,
    VERIFY_PIN = 0x42330006,
    MODIFY_PIN = 0x42330007,
    /* Of the structures that come with them: the longest and the shortest PIN, and the header of
     * the command that it is for. */
    VERIFY_LENGTHS = 5,
    MODIFY_LENGTHS = 7,
    VERIFY_HEADER = 19,
    MODIFY_HEADER = 24,
    HEADER_LENGTH = 4,
    LONGEST = 64,
    /* The PIN, or the old one and the new one twice. */
    LINES = 3,
    NO_MEMORY = 0x80100006,
    NOT_TRANSACTED = 0x80100016,
};

static long answer_with(const unsigned char *bytes, unsigned long length, unsigned char *answer,
                        unsigned long room, unsigned long *answered)
{
    if (length > room)
        return NO_MEMORY;
    memcpy(answer, bytes, length);
    *answered = length;
    return 0;
}

/* Waits until somebody has typed, or the card is gone. */
static long typed(long card, unsigned long *protocol, char pins[LINES][LONGEST])
{
    const char *path = getenv("TEST_KEYPAD");
    struct timespec pause = {0, 10 * 1000 * 1000};
    if (!path)
        abort();
    for (;;) {
        unsigned long state;
        long status = SCardStatus(card, NULL, NULL, &state, protocol, NULL, NULL);
        if (status != 0)
            return status;
        FILE *file = fopen(path, "r");
        if (file) {
            for (int line = 0; line < LINES; line++) {
                if (!fgets(pins[line], LONGEST, file))
                    pins[line][0] = 0;
                pins[line][strcspn(pins[line], "\n")] = 0;
            }
            fclose(file);
            unlink(path);
            return 0;
        }
        nanosleep(&pause, NULL);
    }
}

long SCardControl(long card, unsigned long code, const unsigned char *question,
                  unsigned long question_length, unsigned char *answer, unsigned long room,
                  unsigned long *answered)
{
    static const unsigned char features[] = {0x06, 4, 0x42, 0x33, 0x00, 0x06,
                                             0x07, 4, 0x42, 0x33, 0x00, 0x07};
    static const unsigned char timed_out[] = {0x64, 0x00}, cancelled[] = {0x64, 0x01},
                               differ[] = {0x64, 0x02}, bad_length[] = {0x64, 0x03};
    /* What no reader takes for an answer of its own sooner. */
    static const struct timespec time_to_type = {1, 200 * 1000 * 1000};
    unsigned char command[HEADER_LENGTH + 1 + 2 * LONGEST];
    char pins[LINES][LONGEST];
    struct io_request pci = {0, sizeof(pci)};
    int header = code == MODIFY_PIN ? MODIFY_HEADER : VERIFY_HEADER;
    int lengths = code == MODIFY_PIN ? MODIFY_LENGTHS : VERIFY_LENGTHS;
    const char *refuses = getenv("TEST_KEYPAD_REFUSES");

    if (code == GET_FEATURE_REQUEST)
        return answer_with(features, sizeof(features) / (getenv("TEST_KEYPAD_VERIFIES_ONLY") ? 2 : 1),
                           answer, room, answered);
    if ((code != VERIFY_PIN && code != MODIFY_PIN) ||
        question_length < (unsigned long)header + HEADER_LENGTH)
        abort();
    if (refuses) {
        unsigned long both = strtoul(refuses, NULL, 16);
        unsigned char refused[] = {both >> 8, both & 0xff};
        return answer_with(refused, sizeof(refused), answer, room, answered);
    }
    long status = typed(card, &pci.protocol, pins);
    if (status != 0)
        return status;
    size_t length = strlen(pins[0]), more = code == MODIFY_PIN ? strlen(pins[1]) : 0;
    if (length == 0)
        return answer_with(cancelled, sizeof(cancelled), answer, room, answered);
    if (strcmp(pins[0], "breakdown") == 0)
        return NOT_TRANSACTED;
    if (strcmp(pins[0], "nobody") == 0) {
        nanosleep(&time_to_type, NULL);
        return answer_with(timed_out, sizeof(timed_out), answer, room, answered);
    }
    size_t longest = length > more ? length : more;
    size_t shortest = code == MODIFY_PIN && more < length ? more : length;
    if (longest > question[lengths] || shortest < question[lengths + 1])
        return answer_with(bad_length, sizeof(bad_length), answer, room, answered);
    if (code == MODIFY_PIN && strcmp(pins[1], pins[2]) != 0)
        return answer_with(differ, sizeof(differ), answer, room, answered);
    memcpy(command, question + header, HEADER_LENGTH);
    command[HEADER_LENGTH] = length + more;
    memcpy(command + HEADER_LENGTH + 1, pins[0], length);
    memcpy(command + HEADER_LENGTH + 1 + length, pins[1], more);
    *answered = room;
    return SCardTransmit(card, &pci, command, HEADER_LENGTH + 1 + length + more, NULL, answer,
                         answered);
}
