/* Reading a request and writing an answer. */
#ifndef HTTP_H
#define HTTP_H

#include <stddef.h>

/* The parts of a request this server looks at. */
struct request {
    char method[8];
    char path[256];
};

/* Reads the request line in text; 0 if it is well formed, else -1. */
int request_parse(const char *text, struct request *request);

/* Writes a whole answer to the connection; 0 if all bytes were taken, else -1. */
int answer_write(int connection, int status, const char *type, const char *body, size_t length);

#endif
